"""The ranking head on planted tastes: who likes what is known, so what to show is known too."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from hf_cf.models.ranking import ImplicitALS, recency
from hf_cf.training import ranking
from hf_cf.training.ranking import ImplicitALSConfig, fit_implicit_als

GENRES, PER_GENRE, USERS = 4, 25, 240
N_ITEMS = 1 + GENRES * PER_GENRE
SMALL = ImplicitALSConfig(factors=8)


@dataclass(frozen=True)
class World:
    """Each user loves one genre, and watches popular films of the others with little joy."""

    users: np.ndarray
    items: np.ndarray
    ratings: np.ndarray
    held_out: np.ndarray

    @property
    def shown(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        kept = ~self.held_out
        return self.users[kept], self.items[kept], self.ratings[kept]


def genre(item: np.ndarray | int) -> np.ndarray | int:
    return (item - 1) // PER_GENRE


@pytest.fixture(scope="module")
def world() -> World:
    rng = np.random.default_rng(0)
    popularity = rng.permutation(np.linspace(0.2, 1.0, N_ITEMS - 1))
    users, items, ratings = [], [], []
    for user in range(1, USERS + 1):
        own = genre(np.arange(1, N_ITEMS)) == user % GENRES
        watched = np.flatnonzero(rng.random(N_ITEMS - 1) < popularity * np.where(own, 0.7, 0.15))
        users.append(np.full(len(watched), user))
        items.append(watched + 1)
        ratings.append(np.where(own[watched], rng.integers(4, 6, len(watched)), 2))
    held_out = rng.random(sum(map(len, users))) < 0.3
    return World(
        np.concatenate(users).astype(np.int32),
        np.concatenate(items).astype(np.int32),
        np.concatenate(ratings).astype(np.float32),
        held_out,
    )


@pytest.fixture(scope="module")
def fitted(world: World) -> tuple[ImplicitALS, torch.Tensor]:
    return fit_implicit_als(*world.shown, n_users=USERS + 1, n_items=N_ITEMS, config=SMALL)


def visitor(model: ImplicitALS, given: dict[int, float]) -> torch.Tensor:
    return model.user_vectors(
        torch.tensor([0, len(given)]),
        torch.tensor(list(given), dtype=torch.int32),
        torch.tensor(list(given.values()), dtype=torch.float32),
    )


def hits_at_10(world: World, scores: np.ndarray) -> float:
    users, items, _ = world.shown
    scores = scores.copy()
    scores[users, items] = -np.inf
    scores[:, 0] = -np.inf
    top = np.argsort(-scores, axis=1)[:, :10]
    liked = np.zeros(scores.shape, bool)
    found = world.held_out & (world.ratings >= 4)
    liked[world.users[found], world.items[found]] = True
    return float(np.take_along_axis(liked, top, axis=1)[1:].sum(1).mean())


def test_it_finds_more_that_is_liked_than_the_most_popular(
    world: World, fitted: tuple[ImplicitALS, torch.Tensor]
) -> None:
    model, vectors = fitted
    _, items, ratings = world.shown
    popular = np.bincount(items[ratings >= 4], minlength=N_ITEMS)
    most_popular = hits_at_10(world, np.tile(popular.astype(float), (USERS + 1, 1)))
    assert hits_at_10(world, model.scores(vectors).numpy()) > 1.5 * most_popular


def test_a_visitor_with_a_known_user_s_ratings_gets_the_known_user_s_vector(
    world: World, fitted: tuple[ImplicitALS, torch.Tensor]
) -> None:
    model, vectors = fitted
    users, items, ratings = world.shown
    for user in (1, 17, USERS):
        own = users == user
        given = dict(zip(items[own].tolist(), ratings[own].tolist(), strict=True))
        torch.testing.assert_close(visitor(model, given)[0], vectors[user], rtol=1e-4, atol=1e-5)


def test_many_visitors_at_once_get_what_each_gets_alone(
    fitted: tuple[ImplicitALS, torch.Tensor],
) -> None:
    model, _ = fitted
    together = model.user_vectors(
        torch.tensor([0, 2, 2, 3]), torch.tensor([1, 30, 60]), torch.tensor([5.0, 1.0, 4.0])
    )
    alone = [visitor(model, {1: 5, 30: 1}), visitor(model, {}), visitor(model, {60: 4})]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-6)


def test_a_liked_film_pulls_its_neighbours_up(fitted: tuple[ImplicitALS, torch.Tensor]) -> None:
    model, _ = fitted
    scores = model.scores(visitor(model, {3: 5, 8: 5, 12: 4}))[0]
    by_genre = scores[1:].reshape(GENRES, PER_GENRE).mean(1)
    assert by_genre.argmax() == 0
    assert by_genre[0] > 3 * by_genre[1:].max()


@pytest.mark.parametrize("stars", [1.0, 2.0])
def test_a_disliked_film_does_not_pull_its_neighbours_up(
    fitted: tuple[ImplicitALS, torch.Tensor], stars: float
) -> None:
    model, _ = fitted
    liked = {3: 5.0, 8: 5.0, 30: 4.0}
    before = model.scores(visitor(model, liked))[0, 1:].reshape(GENRES, PER_GENRE)
    for disliked in (33, 60):
        after = model.scores(visitor(model, {**liked, disliked: stars}))[0, 1:]
        after = after.reshape(GENRES, PER_GENRE)
        of_genre = genre(disliked)
        assert after[of_genre].mean() <= before[of_genre].mean() + 1e-4
    only = model.scores(visitor(model, {33: stars}))[0, 1:].reshape(GENRES, PER_GENRE)
    nobody = model.scores(visitor(model, {}))[0, 1:].reshape(GENRES, PER_GENRE)
    assert (only - nobody).mean(1).argmin() == 1
    assert only[1].mean() < nobody[1].mean()


def test_somebody_without_ratings_is_the_average_user(
    world: World, fitted: tuple[ImplicitALS, torch.Tensor]
) -> None:
    model, vectors = fitted
    nobody = visitor(model, {})
    # The mean was taken before the average user counted for anything in the users' own vectors.
    assert torch.cosine_similarity(nobody[0], vectors[1:].mean(0), dim=0) > 0.99
    torch.testing.assert_close(vectors[0], nobody[0])
    popular = np.bincount(world.shown[1][world.shown[2] >= 4], minlength=N_ITEMS)
    assert np.corrcoef(popular[1:], model.scores(nobody)[0, 1:].numpy())[0, 1] > 0.5


def test_few_ratings_start_from_the_average_user(
    fitted: tuple[ImplicitALS, torch.Tensor],
) -> None:
    model, _ = fitted
    rated = [3, 8]
    settings = model.settings
    factors, average = model.item_factors.double().numpy(), model.average_user.double().numpy()
    mass, size = 2.0, len(average)
    more = 1 + settings["few_ratings"] / len(rated)
    assert more == 2
    share = settings["average_weight"] / (settings["average_weight"] + more * mass)
    total = mass + settings["unobserved"] * settings["effective_items"]
    ridge = settings["regularization"] * total ** settings["exponent"]
    own, everything = (
        factors[rated].T @ factors[rated],
        settings["unobserved"] / more * factors.T @ factors,
    )
    start = everything + ridge * np.eye(size)
    expected = np.linalg.solve(own + start, factors[rated].sum(0) + start @ (share * average))
    found = visitor(model, dict.fromkeys(rated, 5.0))[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_what_is_not_known_of_a_user_is_the_inverse_of_their_equations(
    fitted: tuple[ImplicitALS, torch.Tensor],
) -> None:
    model, _ = fitted
    rated, candidates = torch.tensor([3, 8]), torch.tensor([1, 8, 20])
    gradients = model.posterior_gradients(rated, torch.full((2,), 5.0), candidates)
    settings = model.settings
    factors = model.item_factors.double()
    more = 1 + settings["few_ratings"] / 2
    total = 2 + settings["unobserved"] * settings["effective_items"]
    ridge = settings["regularization"] * total ** settings["exponent"]
    own = factors[rated].T @ factors[rated]
    known = more * (own + ridge * torch.eye(len(own))) + model.gram
    expected = factors[candidates] @ torch.linalg.inv(known) @ factors[candidates].T
    np.testing.assert_allclose(gradients @ gradients.T, expected, rtol=1e-3, atol=1e-5)


def test_the_row_for_na_stays_zero_and_similar_films_share_a_genre(
    fitted: tuple[ImplicitALS, torch.Tensor],
) -> None:
    model, _ = fitted
    assert not model.item_factors[0].any()
    unit = torch.nn.functional.normalize(model.item_factors[1:], dim=1)
    nearest = (unit @ unit.T).fill_diagonal_(-1).argmax(1)
    same = genre(nearest.numpy() + 1) == genre(np.arange(1, N_ITEMS))
    assert same.mean() > 0.95


def test_scores_of_chosen_items_are_those_of_all(
    fitted: tuple[ImplicitALS, torch.Tensor],
) -> None:
    model, vectors = fitted
    chosen = torch.tensor([5, 1, 99])
    torch.testing.assert_close(
        model.scores(vectors[:7], chosen), model.scores(vectors[:7])[:, chosen]
    )


def test_a_new_item_is_where_its_equations_put_it(
    fitted: tuple[ImplicitALS, torch.Tensor],
) -> None:
    model, users = fitted
    expected = 0.1 * torch.randn(2, model.vector_size, generator=torch.manual_seed(0))
    codes, stars = torch.tensor([1, 5, 9]), torch.tensor([5.0, 4, 1])
    larger = model.with_items(expected, users, torch.tensor([0, 0, 3]), codes, stars)
    assert larger.settings["n_items"] == N_ITEMS + 2
    assert torch.equal(larger.item_factors[:N_ITEMS], model.item_factors)
    torch.testing.assert_close(larger.item_factors[-2], expected[0])  # nothing is known but that

    factor = expected[1].clone().requires_grad_(True)
    settings = model.settings
    wanted, weights = torch.tensor([1.0, 0.8, -0.5]), torch.tensor([1.0, 0.9, 0.1])
    ridge = settings["regularization"] * (weights.sum() + settings["unobserved"] * len(users))

    def loss(factor: torch.Tensor) -> torch.Tensor:
        moved = factor - expected[1]
        rated = (weights * (wanted - users[codes] @ factor) ** 2).sum()
        every = settings["unobserved"] * (users @ moved).square().sum()
        return rated + every + ridge * moved.square().sum()

    hessian = torch.autograd.functional.hessian(loss, factor)
    (slope,) = torch.autograd.grad(loss(factor), factor)
    best = factor.detach() - torch.linalg.solve(hessian, slope)
    torch.testing.assert_close(larger.item_factors[-1], best, atol=1e-4, rtol=0)


def test_it_comes_back_from_its_tensors_and_settings(
    fitted: tuple[ImplicitALS, torch.Tensor], tmp_path: Path
) -> None:
    model, vectors = fitted
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    again = ImplicitALS(**model.settings)
    again.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(again.scores(vectors), model.scores(vectors))
    assert torch.equal(visitor(again, {1: 5, 2: 1}), visitor(model, {1: 5, 2: 1}))


def test_the_same_data_and_seed_give_the_same_weights_in_any_order(world: World) -> None:
    users, items, ratings = world.shown
    size = {"n_users": USERS + 1, "n_items": N_ITEMS, "config": SMALL}
    first, _ = fit_implicit_als(users, items, ratings, **size)
    again, _ = fit_implicit_als(users, items, ratings, **size)
    assert torch.equal(first.item_factors, again.item_factors)
    order = np.random.default_rng(1).permutation(len(users))
    shuffled, _ = fit_implicit_als(users[order], items[order], ratings[order], **size)
    torch.testing.assert_close(shuffled.item_factors, first.item_factors, rtol=1e-2, atol=1e-3)


def test_ratings_out_of_ten_are_read_as_parts_of_five(world: World) -> None:
    users, items, ratings = world.shown
    size = {"n_users": USERS + 1, "n_items": N_ITEMS, "config": SMALL}
    of_five, _ = fit_implicit_als(users, items, ratings, low=1, high=5, **size)
    of_ten, _ = fit_implicit_als(users, items, 2 * ratings, low=1, high=10, **size)
    assert torch.equal(of_five.item_factors, of_ten.item_factors)


def test_progress_counts_the_iterations(world: World) -> None:
    heard: list[tuple[int, int]] = []
    fit_implicit_als(
        *world.shown,
        n_users=USERS + 1,
        n_items=N_ITEMS,
        config=ImplicitALSConfig(factors=2, iterations=3),
        progress=lambda done, total: heard.append((done, total)),
    )
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_items_are_learned_from_a_part_of_the_users_where_there_are_many(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "MANY", 1000)
    monkeypatch.setattr(ranking, "SAMPLE", 2000)
    seen: list[int] = []
    users, items, ratings = world.shown
    model, vectors = fit_implicit_als(
        users, items, ratings, n_users=USERS + 1, n_items=N_ITEMS, config=SMALL,
        progress=lambda done, _: seen.append(done),
    )  # fmt: skip
    assert len(ratings) > 2000
    assert seen == list(range(1, SMALL.iterations + 1))
    scores = model.scores(vectors)[1:, 1:].reshape(USERS, GENRES, PER_GENRE).mean(2)
    assert (scores.argmax(1) == torch.arange(1, USERS + 1) % GENRES).float().mean() > 0.95


def test_the_newest_of_a_users_ratings_counts_most() -> None:
    # By hand: half-life 2, at least 0.2; users with three ratings, none and one.
    found = recency(torch.tensor([0, 3, 3, 4]), 2.0, 0.2)
    by_hand = [0.2 + 0.8 / 2, 0.2 + 0.8 * 2**-0.5, 1.0, 1.0]
    np.testing.assert_allclose(found, by_hand, rtol=1e-6)


def test_times_move_users_towards_what_they_watched_last(world: World) -> None:
    users, items, ratings = world.shown
    sizes = {"n_users": USERS + 1, "n_items": N_ITEMS}
    settled = ImplicitALSConfig(factors=8, old_weight=1.0)
    model, plain = fit_implicit_als(users, items, ratings, **sizes, config=SMALL)
    # The last film of everybody is one of a genre that is not theirs.
    late = np.array([genre(item) != user % GENRES for user, item in zip(users, items, strict=True)])
    times = np.where(late, 2, 1) * 10**9 + np.arange(len(users))
    same, unmoved = fit_implicit_als(users, items, ratings, **sizes, times=times, config=settled)
    torch.testing.assert_close(same.item_factors, model.item_factors, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(unmoved, plain, rtol=1e-3, atol=1e-3)
    _, moved = fit_implicit_als(users, items, ratings, **sizes, times=times, config=SMALL)
    own = torch.arange(1, N_ITEMS).sub(1).div(PER_GENRE, rounding_mode="floor")
    theirs = own[None] == (torch.arange(1, USERS + 1) % GENRES)[:, None]
    before, after = (model.scores(vectors)[1:, 1:] for vectors in (plain, moved))
    assert (after - before)[theirs].mean() < 0 < (after - before)[~theirs].mean()


def test_items_start_from_what_their_features_predict(world: World) -> None:
    users, items, ratings = world.shown
    new = np.isin(items, [3, PER_GENRE + 3])  # a film of the first genre, and one of the second
    given = users[~new], items[~new], ratings[~new]
    sizes = {"n_users": USERS + 1, "n_items": N_ITEMS}
    features = np.zeros((N_ITEMS, GENRES), np.float32)
    features[np.arange(1, N_ITEMS), genre(np.arange(1, N_ITEMS))] = 1
    model, vectors = fit_implicit_als(*given, **sizes, item_features=features, config=SMALL)
    plain, _ = fit_implicit_als(*given, **sizes, config=SMALL)
    without = fit_implicit_als(
        *given, **sizes, item_features=features, config=replace(SMALL, feature_share=0.0)
    )
    torch.testing.assert_close(without[0].item_factors, plain.item_factors, rtol=0, atol=0)

    # Without a rating the factor is the share of what ridge regression predicts: that of the genre.
    assert plain.item_factors[[3, PER_GENRE + 3]].abs().max() < 1e-6
    for item in (3, PER_GENRE + 3):
        same = model.item_factors[item - 1], model.item_factors[item]
        likeness = torch.cosine_similarity(*same, dim=0)
        assert likeness > 0.9
        assert model.item_factors[item].norm() < SMALL.feature_share * same[0].norm() * 1.5
    scores = model.scores(vectors)[1:, [3, PER_GENRE + 3]]
    of_first, of_second = (np.arange(1, USERS + 1) % GENRES == own for own in (0, 1))
    assert (scores[of_first, 0] > scores[of_first, 1]).all()
    assert (scores[of_second, 1] > scores[of_second, 0]).all()

    # Of an item that many rated, its features say little.
    counts = np.bincount(given[1], minlength=N_ITEMS)
    popular = int(counts.argmax())
    moved = model.item_factors[popular] - plain.item_factors[popular]
    assert moved.norm() < 0.1 * plain.item_factors[popular].norm()
