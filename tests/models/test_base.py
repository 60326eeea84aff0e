"""What every rating model promises, whatever its equation."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import CASES, N_ITEMS, N_USERS, all_pairs, every_model, small_model

from hf_cf.models import RATING_MODELS
from hf_cf.models.base import embedding


def test_every_model_is_tried_here() -> None:
    assert {name for name, _ in CASES.values()} == set(RATING_MODELS)


@every_model
def test_the_grid_holds_what_pairs_give(case: str) -> None:
    model = small_model(case)
    pairs = model(all_pairs())
    assert pairs.shape == (N_USERS * N_ITEMS,)
    assert pairs.std() > 0.05
    grid = model.stars_grid(model.user_vectors(torch.arange(N_USERS)))
    torch.testing.assert_close(grid.flatten(), pairs, rtol=1e-5, atol=1e-5)


@every_model
def test_a_grid_of_chosen_items_is_cut_from_the_grid_of_all(case: str) -> None:
    model = small_model(case)
    vectors = model.user_vectors(torch.tensor([3, 1]))
    chosen = torch.tensor([22, 0, 5, 5])
    torch.testing.assert_close(
        model.stars_grid(vectors, chosen), model.stars_grid(vectors)[:, chosen]
    )


@every_model
def test_a_grid_of_nobody_has_no_rows(case: str) -> None:
    model = small_model(case)
    nobody = model.user_vectors(torch.arange(0))
    assert model.stars_grid(nobody).shape == (0, N_ITEMS)
    assert model.stars_grid(nobody, torch.tensor([2, 4])).shape == (0, 2)


@every_model
def test_a_single_pair_gives_a_single_star(case: str) -> None:
    model = small_model(case)
    alone = torch.cat([model(pair[None]) for pair in all_pairs()])
    torch.testing.assert_close(alone, model(all_pairs()), rtol=1e-5, atol=1e-5)


@every_model
def test_the_settings_build_the_same_model_again(case: str) -> None:
    model = small_model(case)
    settings = json.loads(json.dumps(model.settings))
    again = RATING_MODELS[model.name](**settings).eval()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(all_pairs()), model(all_pairs()))
    assert json.loads(json.dumps(again.settings)) == settings
    assert again.vector_size == model.vector_size


@every_model
def test_tables_have_a_row_a_user_and_a_row_an_item(case: str) -> None:
    model = small_model(case)
    of_users, of_items = model.tables()
    assert {len(table.weight) for table in of_users} == {N_USERS}
    assert {len(table.weight) for table in of_items} == {N_ITEMS}
    assert model.user_vectors(torch.tensor([0, 1])).shape == (2, model.vector_size)
    assert len(model.item_embeddings()) == N_ITEMS


@every_model
def test_na_is_a_row_like_any_other(case: str) -> None:
    model = small_model(case)
    assert model(torch.tensor([[0, 0], [0, 3], [3, 0]])).isfinite().all()


@every_model
def test_slopes_are_the_derivatives_of_stars(case: str) -> None:
    model = small_model(case).double()
    vector, items = model.user_vectors(torch.tensor([2]))[0], torch.tensor([1, 4, 4, 22])
    stars, gradients = model.stars_and_gradients(vector.expand(len(items), -1), items)
    torch.testing.assert_close(stars, model.stars_grid(vector[None], items)[0])
    step = 1e-6
    for coordinate in range(model.vector_size):
        moved = torch.zeros_like(vector)
        moved[coordinate] = step
        beside = torch.stack([vector + moved, vector - moved])
        up, down = model.stars_grid(beside, items)
        torch.testing.assert_close(
            gradients[:, coordinate], (up - down) / (2 * step), rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize(
    ("case", "low", "high"),
    [
        ("dot, ranged", 0.0, 5.5),
        ("dot and biases, ranged", 0.5, 5.0),
        ("fastai's dot", 0.0, 5.5),
        ("network", 0.0, 5.5),
        ("fastai's network", 0.0, 5.5),
        ("classifier", 0.5, 5.0),
    ],
)
@given(size=st.floats(0, 1e6), user=st.integers(0, N_USERS - 1))
def test_a_range_holds_for_any_user_vector(
    case: str, low: float, high: float, size: float, user: int
) -> None:
    model = small_model(case)
    stars = model.stars_grid(model.user_vectors(torch.tensor([user])) * size)
    assert stars.min() >= low - 1e-5
    assert stars.max() <= high + 1e-5


def test_embeddings_start_small_and_cut_at_two_deviations_like_fastai_s() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weight = embedding(2000, 50).weight
    assert weight.abs().max() <= 0.02
    assert weight.mean().abs() < 1e-4
    assert 0.008 < weight.std() < 0.01


@every_model
def test_a_model_takes_other_users(case: str) -> None:
    model = small_model(case)
    vectors = model.user_vectors(torch.tensor([0, 5, 5, 2, 1, 6, 3, 4, 2]))
    other = model.with_user_vectors(vectors)
    assert other.settings["n_users"] == 9
    pairs = torch.tensor([[1, 3], [3, 8]])
    torch.testing.assert_close(other(pairs), model(torch.tensor([[5, 3], [2, 8]])))
    assert model.settings["n_users"] == 7
