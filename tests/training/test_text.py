"""Text of the catalogue says where new and rarely rated items stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hostile import files_in, with_config, write
from static_models import static_model

import hf_cf
from hf_cf.cli import main
from hf_cf.training import fit

FUNNY = ["laughs", "jokes", "clowns", "pranks"]
SCARY = ["ghosts", "screams", "graves", "crypts"]
WORDS = {word: [1, 0.1 * i, 0] for i, word in enumerate(FUNNY)} | {
    word: [-1, 0, 0.1 * i] for i, word in enumerate(SCARY)
}
NEW = pd.DataFrame(
    {"id": [100, 101, 102], "title": ["A", "B", "C"], "plot": ["more pranks", "the crypts", None]}
)
TEXT = ["title", "plot"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return static_model(tmp_path / "static", WORDS)


def films(n: int = 60) -> pd.DataFrame:
    """Comedies, then horror, told by their plots alone; each plot its own, and no other column."""
    half = n // 2
    plots = [f"{FUNNY[i % 3]} {FUNNY[i % 2]} no {i}" for i in range(half)]
    plots += [f"{SCARY[i % 3]} {SCARY[i % 2]} no {half + i}" for i in range(half)]
    return pd.DataFrame({"id": range(n), "plot": plots})


def of_two_tastes(**more: Any) -> hf_cf.Ratings:
    """Even users watch comedies, the others horror."""
    rng = np.random.default_rng(0)
    rows = [
        (user, int(film), float(rng.integers(4, 6)))
        for user in range(60)
        for film in rng.choice(30, 8, replace=False) + 30 * (user % 2)
    ]
    frame = pd.DataFrame(rows, columns=["user", "item", "rating"])
    return hf_cf.Ratings.from_frame(frame, films(), **more)


def places(rec: hf_cf.Recommender, user: int) -> dict[str, int]:
    items = rec.recommend(user, n=70)["item"].tolist()
    return {name: items.index(id) for name, id in zip("ABC", NEW["id"], strict=True)}


def quick(ratings: hf_cf.Ratings, model: Path, **settings: Any) -> hf_cf.Recommender:
    options = {"epochs": 4, "burn_in": 2, "thin": 1, "progress": False} | settings
    with pytest.warns(UserWarning, match="not converged"):
        return fit(ratings, None, "bayesian_mf", text=TEXT, text_model=model, **options)


def test_who_would_choose_a_new_film_is_seen_from_its_text(model: Path, tmp_path: Path) -> None:
    rec = quick(of_two_tastes(), model)
    larger = rec.add_items(NEW)
    for user, (first, last) in {0: "AB", 1: "BA"}.items():
        found = places(larger, user)
        assert found[first] < found["C"] < found[last]
        assert found[last] - found[first] >= 10
    assert "text embedding" not in larger.catalogue
    # A folder holds what is needed, but for the static model, whose place it knows.
    larger.save_pretrained(tmp_path / "model")
    loaded = hf_cf.Recommender.from_pretrained(tmp_path / "model")
    pd.testing.assert_frame_equal(loaded.recommend(0), larger.recommend(0))
    more = NEW.assign(id=NEW["id"] + 10)
    pd.testing.assert_frame_equal(
        loaded.add_items(more).recommend(0, n=80), larger.add_items(more).recommend(0, n=80)
    )
    config = json.loads((tmp_path / "model" / "config.json").read_text("utf-8"))
    assert config["format_version"] == 3
    assert config["text"]["columns"] == TEXT and config["text"]["model"] == str(model)


def test_a_text_model_that_has_moved_is_named_again(model: Path, tmp_path: Path) -> None:
    rec = quick(of_two_tastes(), model)
    found = rec.add_items(NEW).recommend(0, n=70)
    moved = model.rename(tmp_path / "elsewhere")
    with pytest.raises(hf_cf.errors.InvalidArgument, match=f"the text model '{model}' cannot be"):
        rec.add_items(NEW)
    larger = rec.add_items(NEW, text_model=moved)
    pd.testing.assert_frame_equal(larger.recommend(0, n=70), found)
    assert larger.trained.text is not None and larger.trained.text.model == str(moved)


def test_stars_of_a_new_film_follow_from_its_text(model: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [  # everybody likes comedies, and horror less
        (user, int(film), 4.0 - 2 * (film >= 30) + rng.normal(0, 0.3))
        for user in range(40)
        for film in rng.choice(60, 20, replace=False)
    ]
    frame = pd.DataFrame(rows, columns=["user", "item", "rating"])
    ratings = hf_cf.Ratings.from_frame(frame, films())
    rec = quick(ratings, model, epochs=40, implicit=0, ranking=None)
    good, bad, unknown = rec.add_items(NEW).predict([7, 7, 7], ["A", "B", "C"])
    assert good > unknown + 0.5 > bad + 1


def test_a_film_without_ratings_starts_from_its_text(model: Path) -> None:
    ratings = of_two_tastes()
    frame = ratings.to_frame()
    unrated = frame[~frame["item"].isin([3, 33])]
    # Films 3 and 33 are in the catalogue, and all that is known of them is their text.
    train = ratings.take(np.flatnonzero(frame.index.isin(unrated.index)))
    told = fit(train, None, "als", text=TEXT, text_model=model, epochs=2, progress=False)
    silent = fit(train, None, "als", epochs=2, progress=False)
    for user, (first, last) in {0: (3, 33), 1: (33, 3)}.items():
        items = told.recommend(user, n=60)["item"].tolist()
        assert items.index(last) - items.index(first) >= 10
    scores = silent.recommend(0, n=60).set_index("item")["score"]
    assert scores[3] == pytest.approx(scores[33], abs=1e-6)


def test_text_of_what_people_like_counts_too(model: Path, tmp_path: Path) -> None:
    likes = of_two_tastes(feedback="implicit")
    rec = fit(likes, None, text=TEXT, text_model=str(model), progress=False)
    rec.save_pretrained(tmp_path / "model")
    loaded = hf_cf.Recommender.from_pretrained(tmp_path / "model")
    found = places(loaded.add_items(NEW), 0)
    assert found["A"] < found["C"] < found["B"]


def test_sampling_goes_on_with_the_text_that_it_began_with(model: Path) -> None:
    ratings = of_two_tastes()
    rec = quick(ratings, model, ranking=None)
    with pytest.warns(UserWarning, match="not converged"):
        more = fit(ratings, None, resume=rec, epochs=2, thin=1, ranking=None, progress=False)
    assert more.model.settings["item_features"] == rec.model.settings["item_features"]
    found = more.add_items(NEW)
    assert len(found.items) == len(rec.items) + 3
    with pytest.raises(hf_cf.errors.InvalidArgument, match="text cannot change"):
        fit(ratings, None, resume=rec, text=["plot"], text_model=model, progress=False)


@pytest.mark.parametrize("given", [{"text": ["plot"]}, {"text_model": "somewhere"}])
def test_columns_and_model_come_together(given: dict[str, Any]) -> None:
    with pytest.raises(hf_cf.errors.InvalidArgument, match="give both"):
        fit(of_two_tastes(), None, "als", progress=False, **given)


@pytest.mark.parametrize(
    "settings", [{"model": "als"}, {"model": "bayesian_mf", "features": False}], ids=str
)
def test_text_that_nothing_would_use_is_refused(model: Path, settings: dict[str, Any]) -> None:
    options = {"ranking": None, "progress": False, "text": TEXT, "text_model": model}
    with pytest.raises(hf_cf.errors.InvalidArgument, match="neither uses it"):
        fit(of_two_tastes(), None, **settings, **options)


def test_the_command_line_takes_text(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ratings, catalogue = tmp_path / "ratings.csv", tmp_path / "films.csv"
    of_two_tastes().to_frame().to_csv(ratings, index=False)
    films().to_csv(catalogue, index=False)
    command = [
        "train", "--data", str(ratings), "--items", str(catalogue), "--model", "als",
        "--epochs", "1", "--out", str(tmp_path / "model"), "--quiet", "--text", "plot",
    ]  # fmt: skip
    assert main(command) == 1
    said = "--text ... names columns of the catalogue, and --text-model ... what embeds them"
    assert said in capsys.readouterr().err
    assert main([*command, "--text-model", str(tmp_path / "nothing")]) == 1
    assert f"the text model '{tmp_path / 'nothing'}' cannot be loaded" in capsys.readouterr().err
    assert main([*command, "--text-model", str(model)]) == 0
    rec = hf_cf.Recommender.from_pretrained(tmp_path / "model")
    assert rec.trained.text is not None
    assert rec.trained.text.columns == ("plot",)
    assert rec.trained.text.model == str(model)


@pytest.mark.parametrize(
    ("field", "value"),
    [("size", 4), ("axes", 5), ("columns", []), ("model", 7), ("columns", [7]), ("axes", -1)],
)
def test_a_folder_whose_text_does_not_fit_is_refused(
    model: Path, tmp_path: Path, field: str, value: Any
) -> None:
    rec = fit(of_two_tastes(), None, "als", text=TEXT, text_model=model, epochs=1, progress=False)
    rec.save_pretrained(tmp_path / "model")
    files = with_config(files_in(tmp_path / "model"), "text", field, value=value)
    folder = write(tmp_path / "model", files)
    with pytest.raises(hf_cf.ModelFormatError):
        hf_cf.Recommender.from_pretrained(folder)
