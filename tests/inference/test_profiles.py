"""Profiles: where visitors start of whom something is known, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from altered import with_scorer

import hf_cf
from hf_cf.data.features import Feature
from hf_cf.errors import ModelFormatError
from hf_cf.inference.asking import one_visitor
from hf_cf.inference.profiles import fit_profiles
from hf_cf.training import fit

AGE = Feature("age", "number", (20.0, 60.0))
JOB = Feature("job", "category", ("cook", "judge"))


@pytest.fixture(scope="module")
def readers() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"age": rng.uniform(20, 60, 300), "job": rng.choice(JOB.values, 300)})


@pytest.fixture(scope="module")
def with_profiles() -> hf_cf.Recommender:
    """Trained on people of whom the young like even films, and the old odd ones."""
    rng = np.random.default_rng(1)
    rows, users = [], []
    for user in range(120):
        age = int(rng.integers(18, 80))
        users.append({"id": user, "age": age, "city": rng.choice(["Rome", "Oslo"])})
        for film in rng.permutation(40)[:25]:
            rows.append((user, int(film), 5.0 if (film % 2 == 0) == (age < 45) else 2.0))
    frame = pd.DataFrame(rows, columns=["user", "item", "rating"])
    ratings = hf_cf.Ratings.from_frame(frame, users=pd.DataFrame(users))
    return fit(*ratings.split(0.1, seed=0), "als", n_factors=4, progress=False)


def test_the_average_person_moves_nothing_and_the_unknown_neither(readers: pd.DataFrame) -> None:
    vectors = torch.tensor(readers[["age"]].to_numpy() - 40).float()
    start = fit_profiles([AGE, JOB], readers, vectors, None)
    assert start.read({}).abs().sum() == 0
    assert start.read_table(pd.DataFrame({"age": [None, 30]}))[0].abs().sum() == 0
    moved = torch.cat([start.read({"age": age}) for age in (25, 40, 55)]) @ start.rating
    expected = np.array([25, 40, 55]) - readers["age"].mean()
    assert moved.flatten().tolist() == pytest.approx(expected, abs=0.5)
    by_job = start.read({"job": "cook"}) @ start.rating
    assert by_job.abs().item() < 2


@pytest.mark.parametrize(
    ("profile", "message"),
    [
        ({"shoe": 44}, "no feature 'shoe'; the model knows age, job"),
        ({"job": "king"}, "job='king' in the profile; the model knows cook, judge"),
        ({"age": "old"}, "age='old' in the profile; expected a number"),
        ({"age": float("nan")}, "expected a number"),
        ([("age", 3)], "a profile is a dict"),
    ],
)
def test_what_the_model_does_not_know_is_named(
    readers: pd.DataFrame, profile: dict[str, object], message: str
) -> None:
    start = fit_profiles([AGE, JOB], readers, torch.zeros(300, 2), None)
    with pytest.raises(ValueError, match=message):
        start.read(profile)


def test_a_profile_tells_before_the_first_rating(with_profiles: hf_cf.Recommender) -> None:
    films = list(range(40))
    odd = np.array(films) % 2 == 1
    young = with_profiles.predict(items=films, profile={"age": 20})
    old = with_profiles.predict(items=films, profile={"age": 75})
    assert (young[~odd] > old[~odd]).all() and (young[odd] < old[odd]).all()
    for age, of_age in ((20, 0), (75, 1)):
        shown = with_profiles.recommend(profile={"age": age, "city": "Oslo"}, n=8)
        assert (shown["item"] % 2 == of_age).all()
    assert len(with_profiles.next_questions({}, n=3, profile={"age": 20})) == 3


def test_ratings_outweigh_the_profile(with_profiles: hf_cf.Recommender) -> None:
    given = {film: 5 if film % 2 else 2 for film in range(20)}
    told = with_profiles.predict(items=[30, 31], ratings=given, profile={"age": 20})
    assert told[1] > told[0]
    without = with_profiles.predict(items=[30, 31], ratings=given)
    np.testing.assert_allclose(told, without, atol=0.5)


def test_effects_sum_to_what_ratings_add_to_the_profile(
    with_profiles: hf_cf.Recommender,
) -> None:
    profile = {"age": 20}
    given = {1: 4, 2: 3}
    effects = with_profiles.explain(30, ratings=given, profile=profile)["effect"]
    scorer = with_profiles.trained.scorer
    item = scorer.rows(with_profiles.items.encode(pd.Index([30])))
    start, folded = (
        scorer.rating.model.stars(
            scorer.vectors(one_visitor(with_profiles.trained, ratings, profile)).rating, item
        )
        for ratings in ({}, given)
    )
    assert effects.sum() == pytest.approx((folded - start).item(), abs=1e-4)


def test_profiles_are_saved(with_profiles: hf_cf.Recommender, tmp_path: Path) -> None:
    with_profiles.save_pretrained(tmp_path)
    loaded = hf_cf.Recommender.from_pretrained(tmp_path)
    for profile in ({"age": 33}, {"city": "Rome"}):
        pd.testing.assert_frame_equal(
            loaded.recommend(profile=profile), with_profiles.recommend(profile=profile)
        )
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    config["profiles"]["features"][0]["kind"] = "shoe size"
    (tmp_path / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(ModelFormatError, match="shoe size"):
        hf_cf.Recommender.from_pretrained(tmp_path)


def test_stars_that_do_not_follow_from_a_profile_are_refused(readers: pd.DataFrame) -> None:
    rng = np.random.default_rng(2)
    users = np.repeat(np.arange(40), 10)
    frame = pd.DataFrame({"user": users, "item": np.tile(np.arange(20), 20), "rating": 3.0})
    frame["rating"] += rng.integers(-1, 2, len(frame))
    ratings = hf_cf.Ratings.from_frame(frame, users=readers[:40].rename_axis("id").reset_index())
    rec = fit(ratings, None, "bayesian_mf", n_factors=2, epochs=5, burn_in=2, progress=False)
    cooks, judges = (rec.recommend(profile={"job": job}, n=5)["score"] for job in ("cook", "judge"))
    assert cooks.tolist() != judges.tolist()
    with pytest.raises(ValueError, match="stars that bayesian_mf predicts do not follow from a"):
        rec.predict(items=[1, 2], profile={"job": "cook"})
    with pytest.raises(ValueError, match="leave it out, or give ratings="):
        rec.recommend(profile={"job": "cook"}, order_by="stars")


def test_who_takes_no_profile_says_so(
    trained: hf_cf.Recommender, with_profiles: hf_cf.Recommender
) -> None:
    known = trained.users.ids[0]
    bare = with_scorer(trained, profiles=None)
    with pytest.raises(ValueError, match="takes no profile="):
        bare.recommend(profile={"age": 20})
    with pytest.raises(ValueError, match="either a user or ratings="):
        with_profiles.recommend(known, profile={"age": 20})
    several = pd.DataFrame({"user": ["a", "b"], "item": [1, 2], "rating": [3, 4]})
    with pytest.raises(ValueError, match="several visitors"):
        with_profiles.recommend(ratings=several, profile={"age": 20})
