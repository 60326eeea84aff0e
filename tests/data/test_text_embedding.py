"""The text of a catalogue becomes numbers, and features of its items."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from static_models import static_model

from hf_cf.data.features import TEXT, design_matrix, find_features
from hf_cf.data.text_embedding import MOST_AXES, TextEmbedding
from hf_cf.errors import InvalidArgument

WORDS = {"space": [3, 0, 1], "war": [0, 2, 1], "love": [0, -2, 1]}
FILMS = pd.DataFrame(
    {
        "id": [1, 2, 3, 4, 5],
        "title": ["Space War", "LOVE", "4", "love", "5"],
        "description": ["space", None, None, "unheard of", "love|war"],
    },
    index=range(1, 6),
)


def vectors(table: pd.DataFrame) -> list[list[float] | None]:
    return [None if cell is None else cell.tolist() for cell in table[TEXT]]


def test_a_text_is_the_mean_of_its_words_along_the_main_axes(tmp_path: Path) -> None:
    model = static_model(tmp_path, WORDS)
    text, table = TextEmbedding.fit(FILMS, ["title", "description"], model)
    assert text.model == str(model) and text.columns == ("title", "description")
    # By hand: the means of the words of "space war space", "love", "love" and "love war".
    raw = np.array([[2, 2 / 3, 1], [0, -2, 1], [0, -2, 1], [0, 0, 1]])
    np.testing.assert_allclose(text.centre, raw.mean(0), atol=1e-6)
    assert text.axes.shape == (3, 2)  # the third number is the same in all
    found = vectors(table)
    assert found[2] is None  # its title is its id, and it has no description
    known = np.array([found[0], found[1], found[3], found[4]])
    np.testing.assert_allclose((known**2).sum(1).mean(), 1, atol=1e-5)
    centred = raw - raw.mean(0)
    expected = centred @ centred.T / (centred**2).sum(1).mean()
    np.testing.assert_allclose(known @ known.T, expected, atol=1e-5)


def test_it_is_a_feature_like_others(tmp_path: Path) -> None:
    films = FILMS.drop(columns="description")
    _, table = TextEmbedding.fit(films, ["title"], static_model(tmp_path, WORDS))
    (feature,) = find_features(table)
    assert (feature.column, feature.kind, len(feature.values)) == (TEXT, "vector", 1)
    design = design_matrix([feature], table)
    assert not design[[2, 4]].any()  # nothing is known of them
    np.testing.assert_allclose(design[1], table[TEXT][2], atol=1e-5)
    assert design_matrix([feature], films).shape == (5, 1)
    assert not design_matrix([feature], films).any()
    assert find_features(films.assign(**{TEXT: None})) == ()


def test_other_texts_are_placed_on_the_same_axes(tmp_path: Path) -> None:
    text, table = TextEmbedding.fit(FILMS, ["title"], static_model(tmp_path, WORDS))
    more = pd.DataFrame({"id": ["a", "b"], "title": ["love", "b"]})
    found = vectors(text.added_to(more))
    assert found == [vectors(table)[1], None]
    # Without any text, the static model is not asked for.
    gone = TextEmbedding(text.columns, "nowhere", text.centre, text.axes)
    assert vectors(gone.added_to(more.drop(columns="title"))) == [None, None]
    assert vectors(gone.at(tmp_path).added_to(more)) == found


def test_many_numbers_become_few(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = {f"word{i}": rng.normal(size=50).tolist() for i in range(200)}
    films = pd.DataFrame({"id": range(200), "title": list(words)})
    text, table = TextEmbedding.fit(films, ["title"], static_model(tmp_path, words))
    assert text.axes.shape == (50, MOST_AXES)
    assert find_features(table)[0].values == (1.0,) * MOST_AXES


def test_texts_that_are_all_alike_tell_nothing(tmp_path: Path) -> None:
    films = pd.DataFrame({"id": [1, 2], "title": ["love", "love"]})
    text, table = TextEmbedding.fit(films, ["title"], static_model(tmp_path, WORDS))
    assert text.axes.shape == (3, 0)
    assert find_features(table) == ()


def test_what_is_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = static_model(tmp_path / "model", WORDS)
    with pytest.raises(InvalidArgument, match="no column 'plot'; it has id, title, description"):
        TextEmbedding.fit(FILMS, ["title", "plot"], model)
    with pytest.raises(InvalidArgument, match="knows no word of title"):
        TextEmbedding.fit(pd.DataFrame({"id": [1], "title": ["unheard"]}), ["title"], model)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InvalidArgument, match=f"the text model '{empty}' cannot be loaded"):
        TextEmbedding.fit(FILMS, ["title"], empty)
    (model / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(InvalidArgument, match=f"the text model '{model}' cannot be loaded"):
        TextEmbedding.fit(FILMS, ["title"], model)
    text, _ = TextEmbedding.fit(FILMS, ["title"], static_model(tmp_path / "model", WORDS))
    other = static_model(tmp_path / "other", {"love": [1, 2]})
    with pytest.raises(InvalidArgument, match=r"gives 2 numbers a text, and .* with 3"):
        text.at(other).added_to(FILMS)
    monkeypatch.setitem(sys.modules, "model2vec", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'hf-cf\[text\]'"):
        TextEmbedding.fit(FILMS, ["title"], other)
