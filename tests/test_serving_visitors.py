"""What visitors are told: many at once, how sure the stars are, and what is saved of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from altered import with_scorer

import hf_cf


@pytest.fixture(scope="module")
def several(trained: hf_cf.Recommender) -> pd.DataFrame:
    """Ratings of three visitors: 3, 1 and 12 films."""
    items = trained.items.ids
    return pd.DataFrame(
        {
            "user": ["ann"] * 3 + ["bob"] + ["cyd"] * 12,
            "item": [*items[:3], items[5], *items[10:22]],
            "rating": [5, 1, 3, 4, *([5, 2] * 6)],
        }
    )


def test_many_visitors_get_what_each_would_alone(
    trained: hf_cf.Recommender, several: pd.DataFrame
) -> None:
    together = trained.recommend(ratings=several, n=5)
    assert list(together.columns) == ["user", "item", "title", "stars", "score"]
    for name, own in several.groupby("user"):
        alone = trained.recommend(ratings=own.drop(columns="user"), n=5)
        table = together[together["user"] == name].drop(columns="user").reset_index(drop=True)
        assert table["item"].tolist() == alone["item"].tolist()
        np.testing.assert_allclose(table["stars"], alone["stars"], atol=1e-2)


def test_nobody_gets_what_they_have_rated(
    trained: hf_cf.Recommender, several: pd.DataFrame
) -> None:
    shown = trained.recommend(ratings=several, n=30)
    assert not len(shown.merge(several, on=["user", "item"]))


def test_one_prediction_is_for_one_visitor(
    trained: hf_cf.Recommender, several: pd.DataFrame
) -> None:
    with pytest.raises(ValueError, match="several visitors"):
        trained.predict(items=1, ratings=several)


def test_ratings_make_the_stars_surer(trained: hf_cf.Recommender) -> None:
    items = trained.items.ids
    standard_deviations = [
        trained.predict(items=items[-1], ratings=dict.fromkeys(items[:n], 4), return_std=True)[1]
        for n in (0, 1, 5, 50)
    ]
    assert standard_deviations == sorted(standard_deviations, reverse=True)
    assert (
        standard_deviations[0]
        > standard_deviations[-1]
        > trained.trained.scorer.rating.prior.noise**0.5
    )


def test_a_known_user_has_deviations_where_there_is_a_history(
    trained: hf_cf.Recommender, tmp_path: Path
) -> None:
    users, items = trained.users.ids[:2], trained.items.ids[:2]
    stars, standard_deviations = trained.predict(users, items, return_std=True)
    np.testing.assert_array_equal(stars, trained.predict(users, items))
    one = trained.predict(users[1], items[1], return_std=True)
    assert one == pytest.approx((stars[1], standard_deviations[1]), abs=1e-4)
    trained.save_pretrained(tmp_path, include_history=False)
    loaded = hf_cf.Recommender.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="attach_history"):
        loaded.predict(users, items, return_std=True)


def test_the_noise_is_saved(trained: hf_cf.Recommender, tmp_path: Path) -> None:
    given = dict.fromkeys(trained.items.ids[:3], 5)
    trained.save_pretrained(tmp_path)
    loaded = hf_cf.Recommender.from_pretrained(tmp_path)
    for mine, theirs in zip(
        trained.predict(items=9, ratings=given, return_std=True),
        loaded.predict(items=9, ratings=given, return_std=True),
        strict=True,
    ):
        assert theirs == pytest.approx(mine, rel=1e-5)


def test_a_model_without_noise_says_so(trained: hf_cf.Recommender, tmp_path: Path) -> None:
    trained.save_pretrained(tmp_path)
    loaded = hf_cf.Recommender.from_pretrained(tmp_path)
    rating = loaded.trained.scorer.rating
    loaded = with_scorer(loaded, rating=replace(rating, prior=replace(rating.prior, noise=None)))
    loaded.save_pretrained(tmp_path)
    old = hf_cf.Recommender.from_pretrained(tmp_path)
    assert old.predict(items=9, ratings={}) == loaded.predict(items=9, ratings={})
    with pytest.raises(ValueError, match="without an estimate of the noise"):
        old.predict(items=9, ratings={}, return_std=True)


def test_reasons_name_the_ratings_that_moved_a_prediction_most(
    trained: hf_cf.Recommender,
) -> None:
    given = {"Alien (1979)": 5, "Notting Hill (1999)": 1, "Heat (1995)": 3}
    table = trained.explain("Blade Runner (1982)", ratings=given, n=2)
    assert list(table.columns) == ["item", "title", "rating", "effect", "text"]
    assert len(table) == 2
    assert table["effect"].abs().is_monotonic_decreasing
    everything = trained.explain("Blade Runner (1982)", ratings=given, n=9)
    texts = dict(zip(everything["title"], everything["text"], strict=True))
    assert texts["Alien (1979)"] == "because you gave Alien (1979) 5 stars"
    assert texts["Notting Hill (1999)"] == "because you gave Notting Hill (1999) 1 star"
    assert not len(trained.explain("Blade Runner (1982)", ratings={}))


def test_reasons_for_a_known_user_come_from_the_history(
    trained: hf_cf.Recommender, tmp_path: Path
) -> None:
    user = trained.users.ids[3]
    rated, _ = trained.history.of(4)
    table = trained.explain(trained.items.ids[0], user, n=4)
    assert set(table["item"]) <= set(trained.items.decode(rated))
    trained.save_pretrained(tmp_path, include_history=False)
    with pytest.raises(ValueError, match="attach_history"):
        hf_cf.Recommender.from_pretrained(tmp_path).explain(trained.items.ids[0], user)


def test_visitors_become_known_users_of_a_new_model(
    trained: hf_cf.Recommender, several: pd.DataFrame, tmp_path: Path
) -> None:
    several = several.assign(user=several["user"].map({"ann": 1001, "bob": 1002, "cyd": 1003}))
    before = trained.recommend(ratings=several, n=5)
    grown = trained.add_users(several)
    assert len(grown.users) == len(trained.users) + 3
    added = grown.catalogue["n_ratings"] - trained.catalogue["n_ratings"]
    assert added.sum() == len(several)
    codes = trained.trained.catalogue.codes(several["item"].tolist())
    assert added.tolist() == np.bincount(codes, minlength=len(trained.items))[1:].tolist()
    grown.save_pretrained(tmp_path)
    loaded = hf_cf.Recommender.from_pretrained(tmp_path)
    for rec in (grown, loaded):
        known = rec.recommend([1001, 1002, 1003], n=5)
        pd.testing.assert_frame_equal(known, before, rtol=1e-3, atol=1e-3)
        one_before = trained.users.ids[5]
        pd.testing.assert_frame_equal(rec.recommend(one_before), trained.recommend(one_before))
    with pytest.raises(ValueError, match=r"knows the user 1001 already"):
        grown.add_users(several)
    with pytest.raises(ValueError, match="columns user, item and rating"):
        trained.add_users(several.drop(columns="user"))


def test_new_ratings_refresh_a_known_user(trained: hf_cf.Recommender, tmp_path: Path) -> None:
    user, other = trained.users.ids[:2]
    rated, stars = trained.history.of(1)
    unseen = trained.recommend(user, n=3)["item"].tolist()
    new = pd.DataFrame(
        {"user": user, "item": [*unseen, *trained.items.decode(rated[:1])], "rating": 1}
    )
    fresh = trained.update(new)
    codes, values = fresh.history.of(1)
    assert len(codes) == len(rated) + 3
    assert values[codes == rated[0]].tolist() == [1.0]
    assert trained.history.of(1)[1].tolist() == stars.tolist()
    same = new[-1:].assign(rating=stars[:1])
    inferred_before = trained.update(same).predict(user, unseen)
    assert (fresh.predict(user, unseen) < inferred_before).all()
    assert not set(unseen) & set(fresh.recommend(user, n=30)["item"])
    pd.testing.assert_frame_equal(fresh.recommend(other), trained.recommend(other))
    together = dict(zip(trained.items.decode(codes).tolist(), values.tolist(), strict=True))
    np.testing.assert_allclose(
        fresh.predict(user, unseen), trained.predict(items=unseen, ratings=together), atol=1e-4
    )
    fresh.save_pretrained(tmp_path, include_history=True)
    loaded = hf_cf.Recommender.from_pretrained(tmp_path)
    pd.testing.assert_frame_equal(loaded.recommend(user), fresh.recommend(user))
    assert dict(zip(*loaded.history.of(1), strict=True)) == dict(zip(codes, values, strict=True))
    with pytest.raises(hf_cf.UnknownUser):
        trained.update(new.assign(user=999_999))


def test_what_others_were_held_out_stays_so(
    trained: hf_cf.Recommender, sample: hf_cf.Ratings, tmp_path: Path
) -> None:
    trained.save_pretrained(tmp_path)
    rec = hf_cf.Recommender.from_pretrained(tmp_path)
    rec.attach_history(sample)  # all of it, and so what was held out, too
    user, item = rec.users.ids[1], rec.items.ids[0]
    fresh = rec.update(pd.DataFrame({"user": [user], "item": [item], "rating": [3]}))
    assert len(fresh.trained.held_out.of(2)[0]) == 0
    assert len(fresh.trained.held_out) == len(rec.trained.held_out) - len(
        rec.trained.held_out.of(2)[0]
    )


def test_what_is_told_is_no_longer_held_out(trained: hf_cf.Recommender, tmp_path: Path) -> None:
    codes, stars = trained.trained.held_out.of(2)
    told = pd.DataFrame(
        {"user": trained.users.ids[1], "item": trained.items.decode(codes[:1]), "rating": stars[:1]}
    )
    fresh = trained.update(told)
    assert fresh.trained.held_out.of(2)[0].tolist() == codes[1:].tolist()
    grown = fresh.add_users(told.assign(user=1001))
    assert len(grown.trained.held_out.of(len(grown.users) - 1)[0]) == 0
    grown.save_pretrained(tmp_path)
    assert len(hf_cf.Recommender.from_pretrained(tmp_path).trained.held_out) == len(
        fresh.trained.held_out
    )
