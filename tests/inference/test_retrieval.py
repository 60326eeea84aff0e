"""Recommending with an index: the same face, nearly the same lists, kept in the folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from altered import with_scorer
from hostile import files_in, sealed, small_model, with_config, write
from safetensors.torch import load, save

import hf_cf
from hf_cf import ModelFormatError, Recommender
from hf_cf.inference import answers
from hf_cf.inference.asking import user_codes
from hf_cf.training import fit


@pytest.fixture
def rec() -> Recommender:
    return small_model()  # which has one


@pytest.fixture(scope="module")
def indexed(trained: hf_cf.Recommender, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    """The session's model, once more, with an index."""
    folder = tmp_path_factory.mktemp("indexed")
    trained.save_pretrained(folder, include_history=True)
    copy = Recommender.from_pretrained(folder)
    copy.build_index(progress=False)
    return copy


def both(rec: Recommender, **asked: object) -> tuple[pd.DataFrame, pd.DataFrame]:
    return rec.recommend(**asked, approximate=False), rec.recommend(**asked, approximate=True)


def likeness(exact: pd.DataFrame, quick: pd.DataFrame) -> float:
    assert len(quick) == len(exact)
    keys = [name for name in ("user", "item") if name in exact]
    return len(exact.merge(quick, on=keys)) / len(exact)


@pytest.mark.parametrize("filters", [
    {},
    {"n": 100},
    {"genres": ["Comedy"]},
    {"years": (1970, 1989), "min_ratings": 3},
    {"diversity": 0.4},
    {"include_rated": True},
], ids=str)  # fmt: skip
def test_nearly_the_same_is_recommended(indexed: Recommender, filters: dict[str, object]) -> None:
    users = indexed.users.ids[:40]
    assert likeness(*both(indexed, user=users, **filters)) >= 0.98
    visitor = {"Alien (1979)": 5, "Blade Runner (1982)": 4}
    exact, quick = both(indexed, ratings=visitor, **filters)
    assert likeness(exact, quick) >= 0.9
    assert list(quick) == list(exact)


def test_no_filter_is_passed_over(indexed: Recommender) -> None:
    catalogue = indexed.catalogue.set_index("id")
    user, named = indexed.users.ids[3], indexed.catalogue["title"].tolist()[:20]
    asked = {"genres": ["Drama"], "years": (1960, 1999), "exclude": named}
    exact, shown = both(indexed, user=user, n=10_000, **asked)
    assert len(shown) == len(exact) > 0
    rows = catalogue.loc[shown["item"]]
    assert rows["genres"].str.contains("Drama").all()
    assert rows["year"].between(1960, 1999).all()
    assert not set(rows["title"]) & set(named)
    assert indexed.history is not None
    seen, _ = indexed.history.of(int(user_codes(indexed.trained, [user])[0]))
    assert not set(shown["item"]) & set(indexed.items.decode(seen))


def test_an_index_is_searched_in_large_catalogues_only(
    rec: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rec.ranking is not None
    asked = []
    search = type(rec.ranking.index).search

    def told(*arguments: object) -> object:
        asked.append(arguments)
        return search(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(rec.ranking.index), "search", told)
    rec.recommend(1)
    assert not asked
    monkeypatch.setattr(answers, "INDEX_FROM", 10)
    rec.recommend(1)
    assert len(asked) == 1
    rec.recommend(1, approximate=False)
    rec.recommend(1, order_by="stars")
    rec.recommend(1, novelty=0.5)
    assert len(asked) == 1


def test_what_an_index_cannot_do_is_said(rec: Recommender) -> None:
    with pytest.raises(ValueError, match="exact; leave approximate out"):
        rec.recommend(1, approximate=True, novelty=0.5)
    with pytest.raises(ValueError, match="exact; leave approximate out"):
        rec.recommend(1, approximate=True, order_by="stars")
    assert rec.ranking is not None
    rec = with_scorer(rec, ranking=replace(rec.ranking, index=None))
    with pytest.raises(ValueError, match=r"rec\.build_index\(\)"):
        rec.recommend(1, approximate=True)
    rec = with_scorer(rec, ranking=None)
    with pytest.raises(ValueError, match="no ranking head"):
        rec.build_index()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_it_is_saved_beside_the_model(indexed: Recommender, tmp_path: Path, dtype: str) -> None:
    indexed.save_pretrained(tmp_path, include_history=True, dtype=dtype)
    again = Recommender.from_pretrained(tmp_path)
    users = indexed.users.ids[:20]
    assert likeness(*both(again, user=users, n=50)) >= 0.98
    if dtype == "float32":
        expected = indexed.recommend(users, n=50, approximate=True)
        pd.testing.assert_frame_equal(again.recommend(users, n=50, approximate=True), expected)


def test_a_model_without_users_can_have_one(indexed: Recommender, tmp_path: Path) -> None:
    indexed.save_pretrained(tmp_path, include_users=False)
    again = Recommender.from_pretrained(tmp_path)
    again.build_index(progress=False)  # for visitors that are made up
    visitor = {"Alien (1979)": 5, "Blade Runner (1982)": 4}
    assert likeness(*both(again, ratings=visitor, n=50)) >= 0.9


def test_the_same_seed_makes_the_same_index(indexed: Recommender) -> None:
    assert indexed.ranking is not None and indexed.ranking.index is not None
    before = indexed.ranking.index
    indexed.build_index(progress=False)
    assert torch.equal(indexed.ranking.index.lists, before.lists)
    assert indexed.ranking.index.margin == before.margin


def test_new_users_keep_it_and_new_items_end_it(sample: hf_cf.Ratings) -> None:
    rec = fit(sample, model="bayesian_mf", epochs=2, burn_in=1, progress=False)
    rec.build_index(progress=False)
    more = rec.add_users(pd.DataFrame({"user": [9000], "item": [3], "rating": [5]}))
    assert len(more.recommend(9000, approximate=True)) == 10
    larger = more.add_items(pd.DataFrame({"id": [100_000], "title": ["New"]}))
    with pytest.raises(ValueError, match=r"rec\.build_index\(\)"):
        larger.recommend(9000, approximate=True)
    larger.build_index(progress=False)
    assert len(larger.recommend(9000, approximate=True)) == 10


def test_a_forged_index_is_refused(rec: Recommender, tmp_path: Path) -> None:
    rec.save_pretrained(tmp_path)
    files = files_in(tmp_path)
    tensors = load(files["model.safetensors"])
    tensors["ranking.index.lists"][3] = 2**40
    forged = sealed(files | {"model.safetensors": save(tensors)})
    with pytest.raises(ModelFormatError, match="lists of the index go from 0 to 1099511627776"):
        Recommender.from_pretrained(write(tmp_path, forged))
    for value, message in [
        ({"n_lists": 0, "margin": 0.4}, "index.n_lists is 0"),
        ({"n_lists": 16, "margin": -1.0}, "index.margin is -1.0"),
        ({"n_lists": 16}, "index.margin is missing"),
        ({"n_lists": 15, "margin": 0.4}, "ranking.index.centres has the shape"),
        (None, "index is None"),
    ]:
        forged = with_config(files, "index", value=value)
        with pytest.raises(ModelFormatError, match=message):
            Recommender.from_pretrained(write(tmp_path, forged))
    config = json.loads(files["config.json"])
    del config["ranking"]
    forged = sealed(files | {"config.json": json.dumps(config).encode()})
    with pytest.raises(ModelFormatError, match="no ranking model that it is of"):
        Recommender.from_pretrained(write(tmp_path, forged))


def test_given_items_are_ranked_exactly_with_the_index_too(indexed: Recommender) -> None:
    users = indexed.users.ids[:5]
    everything = indexed.recommend(users, n=100_000, approximate=False)
    for stock in (indexed.items.ids[5:9], indexed.items.ids[::2]):
        expected = everything[everything["item"].isin(stock)].reset_index(drop=True)
        for approximate in (None, False, True):
            shown = indexed.recommend(users, n=100_000, items=stock, approximate=approximate)
            pd.testing.assert_frame_equal(shown, expected)
    assert indexed.recommend(7, items=[]).empty
    with pytest.raises(hf_cf.UnknownItem, match="No Such Film"):
        indexed.recommend(7, items=["No Such Film"])
    one = indexed.recommend(ratings={}, items=["No Such Film", "Heat (1995)"], on_unknown="skip")
    assert one["title"].tolist() == ["Heat (1995)"]
