"""The Gibbs sampler for Bayesian factorization."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import hf_cf
from hf_cf.models import BayesianFactorization
from hf_cf.training import fit
from hf_cf.training.bayesian import r_hat, train_bayesian
from hf_cf.training.gibbs import Chain
from hf_cf.training.settings import TrainingSettings, settings_for

QUICK = {"n_factors": 3, "burn_in": 4, "thin": 2, "implicit": 20, "progress": False}


def quick(**settings: object) -> TrainingSettings:
    chosen = {name: value for name, value in QUICK.items() if name != "progress"} | settings
    return settings_for("bayesian_mf", **chosen)


@pytest.fixture(scope="module")
def few(sample: hf_cf.Ratings) -> hf_cf.Ratings:
    return sample.take(np.flatnonzero(sample.user_codes <= 60))


def bare(n_users: int = 30, n_items: int = 20, seed: int = 0) -> hf_cf.Ratings:
    """Ratings without features and times."""
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(n_users * n_items)[: n_users * n_items // 2]
    stars = rng.integers(1, 6, len(pairs)).astype(np.float32)
    frame = pd.DataFrame({"user": pairs // n_items, "item": pairs % n_items, "rating": stars})
    return hf_cf.Ratings.from_frame(frame)


def test_draws_of_the_items_have_the_moments_of_their_conditional_posterior() -> None:
    ratings = bare()
    chain = Chain(quick(noise_freedom=0.0), ratings)
    chain.items.prior.mean = torch.tensor([0.1, -0.2, 0.3, 0.5])
    chain.items.prior.precision = torch.eye(4) * 2 + 0.3
    users, weight = chain.users.factors.clone(), 1.7
    rng = np.random.default_rng(0)
    draws = []
    for _ in range(3000):
        noise = rng.standard_normal((21, 4), np.float32)
        mean = chain.items.solve(users, weight, noise)
        draws.append(chain.items.factors[5].numpy())
    rows = ratings.item_codes == 5
    own = users[ratings.user_codes[rows]].double().numpy()
    design = np.hstack([own[:, :-1], np.ones((len(own), 1))])
    left = ratings.stars[rows] - ratings.stars.mean(dtype=np.float64) - own[:, -1]
    prior = chain.items.prior.precision.double().numpy()
    precision = prior + weight * design.T @ design
    right = prior @ chain.items.prior.mean.double().numpy() + weight * design.T @ left
    expected = np.linalg.solve(precision, right)
    np.testing.assert_allclose(mean[5], expected, atol=1e-3)
    np.testing.assert_allclose(np.mean(draws, 0), expected, atol=0.03)
    np.testing.assert_allclose(np.cov(np.array(draws).T), np.linalg.inv(precision), atol=0.02)


def test_patterns_are_compared_with_the_average_and_nobody_is_the_average() -> None:
    ratings = bare().take(bare().user_codes != 4)
    chain = Chain(quick(implicit=100), ratings)
    users, items = chain.users.prior.features.numpy(), chain.items.prior.features.numpy()
    assert users.shape == (31, 20) and items.shape == (21, 29)
    rated = ratings.user_counts() > 0
    assert not users[~rated].any() and not items[0].any()
    np.testing.assert_allclose(users[rated].mean(0), 0, atol=1e-6)
    # Of films it is the average over ratings.
    np.testing.assert_allclose(ratings.item_counts() @ items, 0, atol=1e-3)
    raw = items[5] + chain.items.average_pattern.numpy()
    count = ratings.item_counts()[5]
    np.testing.assert_allclose(np.sort(raw)[-count:], 1 / np.sqrt(count), rtol=1e-5)


def test_squared_errors_are_those_of_the_equation() -> None:
    ratings = bare()
    chain = Chain(quick(), ratings)
    chain.items.factors[:, -1] = 0.3
    left = [
        star - chain.mean - chain.users.factors[u, :-1] @ chain.items.factors[i, :-1] - 0.3
        for u, i, star in zip(ratings.user_codes, ratings.item_codes, ratings.stars, strict=True)
    ]
    expected = np.bincount(ratings.user_codes, np.square(left), minlength=31)
    np.testing.assert_allclose(chain._squared_errors(), expected, rtol=1e-4)


def test_planted_factors_are_recovered_to_within_the_noise() -> None:
    rng = np.random.default_rng(3)
    users, items = rng.standard_normal((80, 2)), rng.standard_normal((60, 2))
    whole = 3 + 0.8 * users @ items.T + 0.3 * rng.standard_normal((80, 60))
    pairs = rng.permutation(4800)[:2400]
    frame = pd.DataFrame(
        {"user": pairs // 60, "item": pairs % 60, "rating": whole.ravel()[pairs].astype(np.float32)}
    )
    train, valid = hf_cf.Ratings.from_frame(frame).split(0.2, seed=0)
    model, _ = train_bayesian(
        quick(epochs=120, burn_in=30, implicit=0), train, valid, progress=False
    )
    predicted = model(torch.from_numpy(np.stack([valid.user_codes, valid.item_codes], 1)).long())
    rmse = float((predicted - torch.from_numpy(valid.stars)).square().mean().sqrt())
    assert rmse < 0.36
    assert float(model.user_noise.weight[1:, 0].mean()) == pytest.approx(0.09, rel=0.3)


def test_the_same_seed_gives_the_same_model_and_another_another(few: hf_cf.Ratings) -> None:
    one, again, other = (
        train_bayesian(quick(epochs=4, seed=seed), few, None, progress=False)[0]
        for seed in (1, 1, 2)
    )
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert not torch.equal(one.item_factors.weight, other.item_factors.weight)


def test_resuming_is_the_same_as_never_having_stopped(few: hf_cf.Ratings, tmp_path: Path) -> None:
    whole = fit(few, few, "bayesian_mf", epochs=12, ranking=None, **QUICK)
    part = fit(few, few, "bayesian_mf", epochs=6, ranking=None, **QUICK)
    part.save_pretrained(tmp_path)
    part = hf_cf.Recommender.from_pretrained(tmp_path)
    part.metadata.settings["mixed_precision"] = False  # a setting that 0.1.0 had
    resumed = fit(few, few, resume=part, ranking=None, progress=False)
    assert isinstance(resumed.model, BayesianFactorization)
    assert resumed.model.n_samples == 6
    expected = whole.model.state_dict()
    for name, tensor in resumed.model.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=1e-4, msg=name)
    assert [record["epoch"] for record in resumed.metadata.epochs] == [6, 8, 10, 12, 14, 16]
    found = [record["valid_mse"] for record in resumed.metadata.epochs]
    assert found == pytest.approx(
        [record["valid_mse"] for record in whole.metadata.epochs], rel=1e-4
    )


def test_what_cannot_be_resumed_says_so(few: hf_cf.Ratings, trained: hf_cf.Recommender) -> None:
    rec = fit(few, None, "bayesian_mf", epochs=2, ranking=None, **QUICK)
    with pytest.raises(ValueError, match="not training of 'collab_learner'"):
        fit(few, resume=trained)
    with pytest.raises(ValueError, match="the ids differ"):
        fit(bare(), resume=rec)
    with pytest.raises(ValueError, match="n_factors cannot change"):
        fit(few, resume=rec, n_factors=9)


def test_the_file_is_bounded_and_the_last_draws_are_kept(few: hf_cf.Ratings) -> None:
    small = quick(epochs=12, max_mb=0.1)
    model, records = train_bayesian(small, few, None, progress=False)
    size = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    assert model.n_samples == len(records) < 6
    assert size <= 0.1e6
    more, _ = train_bayesian(small, few, None, progress=False, resume=model)
    assert sum(t.numel() * t.element_size() for t in more.state_dict().values()) <= 0.1e6


def test_ratings_without_features_times_or_catalogue(tmp_path: Path) -> None:
    train, valid = bare().split(0.2, seed=0)
    rec = fit(train, valid, "bayesian_mf", epochs=8, **QUICK)
    assert rec.model.settings["user_features"] == rec.model.settings["item_features"] == []
    stars, standard_deviations = rec.predict([1, 2], [3, 4], return_std=True)
    assert np.isfinite(stars).all() and (standard_deviations > 0.1).all()
    rec.save_pretrained(tmp_path)
    loaded = hf_cf.Recommender.from_pretrained(tmp_path)
    assert (loaded.predict([1, 2], [3, 4]) == stars).all()
    assert len(loaded.recommend(ratings={3: 5, 4: 1}, n=3)) == 3


def test_known_users_and_visitors_with_their_ratings_are_nearly_the_same(
    sample: hf_cf.Ratings,
) -> None:
    rec = fit(sample, None, "bayesian_mf", epochs=30, ranking=None, **QUICK | {"n_factors": 6})
    films = sample.items.ids[:40]
    differences = []
    for user in (5, 50, 500):
        mine = sample.take(sample.user_codes == user)
        ratings = dict(zip(sample.items.decode(mine.item_codes), mine.stars, strict=True))
        known = rec.predict(np.repeat(sample.users.ids[user - 1], 40), films)
        differences.append(rec.predict(items=films, ratings=ratings) - known)
    # What is left is the noise of a user, drawn with known ones and inferred with visitors, and
    # the features of a person, which visitors do not have.
    assert np.abs(np.concatenate(differences)).mean() < 0.12


def test_features_place_what_nobody_has_rated() -> None:
    ratings, kinds = two_kinds()
    train = ratings.take(ratings.items.decode(ratings.item_codes) >= 10)
    rec = fit(train, None, "bayesian_mf", epochs=40, ranking=None, **QUICK)
    unrated = np.arange(10)
    stars = rec.predict(np.repeat(7, 10), unrated)
    assert stars[kinds[:10] == "good"].min() > 3.4 and stars[kinds[:10] == "bad"].max() < 2.6
    blind = fit(train, None, "bayesian_mf", epochs=40, ranking=None, features=False, **QUICK)
    assert np.ptp(blind.predict(np.repeat(7, 10), unrated)) < 0.8


def test_of_a_new_film_those_are_expected_who_rate_films_like_it() -> None:
    kinds = ["war", "love"] * 20
    rows = [
        (user, film, 3 + (user + film) % 3)
        for film in range(40)
        for user in range(30)
        if (user < 15) == (kinds[film] == "war") and (user + film) % 4
    ]
    whole = hf_cf.Ratings.from_frame(
        pd.DataFrame(rows, columns=["user", "item", "rating"]),
        items=pd.DataFrame({"id": range(40), "kind": kinds}),
    )
    ratings = whole.take(whole.items.decode(whole.item_codes) >= 2)
    chain = Chain(quick(epochs=10, implicit=30), ratings)
    patterns = chain.items.prior.features[:, -30:]
    war, love = ratings.items.encode([0, 1])
    for new, kind in ((war, "war"), (love, "love")):
        rated = ratings.items.encode([film for film in range(2, 40) if kinds[film] == kind])
        torch.testing.assert_close(patterns[new], patterns[rated].mean(0), atol=0.1, rtol=0.2)
    model = chain.empty_model(1)
    model.item_link.data.normal_(generator=torch.Generator().manual_seed(0))
    known = chain.items.prior.features[war]
    table = ratings.catalogue.loc[[war]]
    none = torch.zeros(0, dtype=torch.int64)
    model.item_precision *= 1e8  # so that an item stands where its prior says
    placed = model.with_items(table, torch.tensor([0, 0]), none, none.float())
    torch.testing.assert_close(
        placed.item_factors.weight[-1], (known @ model.item_link)[:-1], atol=1e-3, rtol=1e-3
    )


def test_r_hat_is_near_one_for_independent_draws_and_larger_for_a_drift() -> None:
    model = BayesianFactorization(31, 21, 1, 200).eval()
    torch.manual_seed(0)
    model.item_factors.weight.data.zero_()
    model.user_bias.weight.data.normal_()
    model.item_bias.weight.data.normal_()
    assert r_hat(model, bare()) < 1.05
    model.user_bias.weight.data += torch.linspace(0, 4, 200)
    assert r_hat(model, bare()) > 1.3


def test_too_few_draws_are_said_to_be_too_few(few: hf_cf.Ratings) -> None:
    with pytest.warns(UserWarning, match="has not converged"):
        rec = fit(few, None, "bayesian_mf", epochs=4, ranking=None, **QUICK)
    assert rec.metrics["r_hat"] > 1.2


def two_kinds() -> tuple[hf_cf.Ratings, np.ndarray]:
    """Films 0 to 59 of which half are good, as their catalogue says, and the kinds."""
    rng = np.random.default_rng(0)
    kinds = np.array(["bad", "good"])[rng.integers(0, 2, 60)]
    rows = [
        (user, film, 3 + (1 if kinds[film] == "good" else -1) + 0.2 * rng.standard_normal())
        for user in range(40)
        for film in rng.choice(60, 20, replace=False)
    ]
    frame = pd.DataFrame(rows, columns=["user", "item", "rating"])
    return hf_cf.Ratings.from_frame(
        frame, items=pd.DataFrame({"id": range(60), "kind": kinds})
    ), kinds


def test_new_films_are_placed_by_features_and_by_ratings(tmp_path: Path) -> None:
    ratings, _ = two_kinds()
    rec = fit(ratings, None, "bayesian_mf", epochs=40, **QUICK)
    films = pd.DataFrame(
        {"id": [100, 101, 102], "title": ["Good", "Bad", "Better"], "kind": ["good", "bad", None]}
    )
    given = pd.DataFrame({"user": range(1, 9), "item": 102, "rating": 4.4})
    larger = rec.add_items(films, given)
    good, bad, rated = larger.predict([20, 20, 20], ["Good", "Bad", "Better"])
    assert good > 3.4 and bad < 2.6 and rated > 3.7
    assert larger.catalogue["n_ratings"].tolist()[-3:] == [0, 0, 8]
    assert larger.catalogue["kind"].tolist()[-3:-1] == ["good", "bad"]
    assert set(larger.history.of(int(larger.users.encode([3])[0]))[0]) >= {63}
    assert (larger.predict([20] * 5, range(5)) == rec.predict([20] * 5, range(5))).all()
    assert "Bad" not in larger.recommend(20, n=5, order_by="stars")["title"].tolist()
    unsure, sure = (larger.predict([20], [film], return_std=True)[1] for film in ("Good", 0))
    assert unsure > sure
    larger.save_pretrained(tmp_path)
    loaded = hf_cf.Recommender.from_pretrained(tmp_path)
    assert loaded.predict(20, "Better") == larger.predict(20, "Better")
    assert len(loaded.recommend(20, n=70)) == len(larger.recommend(20, n=70))


def test_who_would_choose_a_new_film_is_seen_from_its_features_and_ratings() -> None:
    rng = np.random.default_rng(0)
    rows = [  # half of the people watch comedies, the others horror
        (user, int(film), float(rng.integers(4, 6)))
        for user in range(60)
        for film in rng.choice(30, 8, replace=False) + 30 * (user % 2)
    ]
    films = pd.DataFrame({"id": range(60), "genres": ["Comedy"] * 30 + ["Horror"] * 30})
    ratings = hf_cf.Ratings.from_frame(
        pd.DataFrame(rows, columns=["user", "item", "rating"]), items=films
    )
    rec = fit(ratings, None, "bayesian_mf", epochs=4, **QUICK)
    new = pd.DataFrame(
        {"id": [100, 101, 102], "title": ["Funny", "Scary", "Any"],
         "genres": ["Comedy", "Horror", None]}
    )  # fmt: skip
    larger = rec.add_items(new)

    def places(model: hf_cf.Recommender, user: int) -> dict[str, int]:
        titles = model.recommend(user, n=70)["title"].tolist()
        return {title: titles.index(title) for title in new["title"]}

    for user, (first, last) in {0: ("Funny", "Scary"), 1: ("Scary", "Funny")}.items():
        found = places(larger, user)
        assert found[first] < found["Any"] < found[last]
        assert found[last] - found[first] >= 10
    liked = pd.DataFrame({"user": range(2, 30, 2), "item": 102, "rating": 5})
    rated = rec.add_items(new, liked)
    assert places(rated, 0)["Any"] < places(larger, 0)["Any"]
    gain = [places(larger, user)["Any"] - places(rated, user)["Any"] for user in (0, 1)]
    assert gain[0] > gain[1]  # those who are like the people who rated it see it rise most
    assert places(rated, 0)["Any"] < places(rated, 1)["Any"]
    visitor = {0: 5, 1: 5, 2: 4}
    pd.testing.assert_series_equal(  # of whom the new films say nothing, since none rated them
        rec.recommend(ratings=visitor, n=10, exclude=[])["title"],
        larger.recommend(ratings=visitor, n=10, exclude=["Funny", "Scary", "Any"])["title"],
    )


def test_a_model_without_its_users_takes_new_films(tmp_path: Path) -> None:
    rec = fit(two_kinds()[0], None, "bayesian_mf", epochs=4, **QUICK)
    rec.save_pretrained(tmp_path, include_users=False)
    for_visitors = hf_cf.Recommender.from_pretrained(tmp_path)
    new = pd.DataFrame({"id": [100], "title": ["New"], "kind": ["good"]})
    one, other = (each.add_items(new) for each in (rec, for_visitors))
    given = {3: 4, 8: 2}
    assert one.predict(items="New", ratings=given) == other.predict(items="New", ratings=given)


def test_what_cannot_be_added_says_so(trained: hf_cf.Recommender) -> None:
    rec = fit(two_kinds()[0], None, "bayesian_mf", epochs=2, ranking=None, **QUICK)
    new = pd.DataFrame({"id": [100], "title": ["New"]})
    with pytest.raises(ValueError, match="has the item 3 already"):
        rec.add_items(pd.DataFrame({"id": [100, 3]}))
    with pytest.raises(hf_cf.DataFormatError, match="id"):
        rec.add_items(pd.DataFrame({"title": ["New"]}))
    with pytest.raises(hf_cf.UnknownUser, match="999"):
        rec.add_items(new, pd.DataFrame({"user": [999], "item": [100], "rating": [3]}))
    with pytest.raises(ValueError, match="for new items"):
        rec.add_items(new, pd.DataFrame({"user": [1], "item": [5], "rating": [3]}))
    with pytest.raises(ValueError, match="collab_learner cannot place items"):
        trained.add_items(pd.DataFrame({"id": [100_000], "title": ["New"]}))
