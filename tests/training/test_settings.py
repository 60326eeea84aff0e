"""Hyperparameters: what is refused, and what the recipes and defaults say."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from hf_cf.models import RATING_MODELS
from hf_cf.training.settings import (
    MODEL_DEFAULTS,
    RECIPES,
    TrainingSettings,
    for_size,
    settings_for,
)


def test_an_unknown_model_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no model 'svd'.*collab_learner.*rating_classifier"):
        settings_for("svd")


def test_an_unknown_recipe_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no recipe 'book'.*dot_product_bias_wd.*plain_pytorch"):
        settings_for(recipe="book")


def test_an_unknown_hyperparameter_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'learning_rate' is not a hyperparameter.*epochs.*lr"):
        settings_for(learning_rate=0.1)


def test_a_recipe_is_not_trained_with_another_model() -> None:
    assert settings_for("dot_product", "plain_pytorch").model == "dot_product"
    with pytest.raises(ValueError, match=r"'plain_pytorch' trains 'dot_product', not 'collab_nn'"):
        settings_for("collab_nn", "plain_pytorch")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("epochs", "5"),
        ("batch_size", -1),
        ("batch_size", 64.0),
        ("n_factors", 0),
        ("n_hidden", True),
        ("lr", 0),
        ("lr", -1e-3),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("lr", "fast"),
        ("eps", 0),
        ("wd", -0.1),
        ("wd", float("nan")),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("init_scale", 0),
        ("layers", (100, 0)),
        ("layers", 100),
        ("y_range", (5, 0)),
        ("y_range", (3, 3)),
        ("y_range", (0, float("nan"))),
        ("y_range", (0, 1, 2)),
        ("y_range", "wide"),
        ("y_range", 5),
        ("seed", 0.5),
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name}=.*must"):
        settings_for(**{name: value})


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("schedule", "one_cycle, constant"),
        ("decay", "decoupled, l2"),
        ("init", "truncated_normal, normal, uniform"),
    ],
)
def test_a_choice_that_is_not_there_is_answered_with_those_that_are(
    name: str, choices: str
) -> None:
    with pytest.raises(ValueError, match=rf"{name}='other'; choose from {choices}"):
        settings_for(**{name: "other"})


@pytest.mark.parametrize("y_range", ["auto", None, (0, 5.5), [0.5, 5.0]])
def test_a_range_is_two_numbers_auto_or_none(y_range: Any) -> None:
    assert settings_for(y_range=y_range).y_range == y_range


def test_a_network_with_batch_normalisation_needs_batches_of_two() -> None:
    with pytest.raises(ValueError, match=r"batch_size=1.*embedding_nn"):
        settings_for("embedding_nn", batch_size=1)
    assert settings_for("dot_product", batch_size=1).batch_size == 1


def test_hyperparameters_replace_those_of_the_recipe_and_no_others() -> None:
    assert settings_for(recipe="collab_nn", lr=0.01) == replace(RECIPES["collab_nn"], lr=0.01)
    assert settings_for("collab_nn", lr=0.01) == replace(MODEL_DEFAULTS["collab_nn"], lr=0.01)
    assert settings_for() == MODEL_DEFAULTS["collab_learner"]


def test_every_model_has_defaults_and_its_name_in_them() -> None:
    assert {name: settings.model for name, settings in MODEL_DEFAULTS.items()} == {
        name: name for name in RATING_MODELS
    }


def test_recipes_are_the_sources_settings() -> None:
    book = RECIPES["collab_learner"]
    assert (book.epochs, book.batch_size, book.lr, book.wd, book.n_factors) == (
        5,
        64,
        5e-3,
        0.1,
        50,
    )
    assert {RECIPES[name].batch_size for name in RECIPES} == {64}
    assert RECIPES["dot_product"].y_range is None
    assert RECIPES["dot_product_ranged"].y_range == "auto"
    assert {RECIPES[f"dot_product{end}"].wd for end in ("", "_ranged", "_bias")} == {0}
    plain = RECIPES["plain_pytorch_bias"]
    assert (plain.lr, plain.wd, plain.decay, plain.schedule) == (1e-3, 1e-4, "l2", "constant")
    assert (plain.init, plain.init_scale) == ("uniform", 0.01)


def test_settings_are_plain_json_and_come_back() -> None:
    for settings in (*RECIPES.values(), *MODEL_DEFAULTS.values()):
        again = json.loads(json.dumps(settings.to_dict()))
        again["layers"] = tuple(again["layers"])
        assert TrainingSettings(**again) == settings


def test_every_hyperparameter_says_what_it_means() -> None:
    for item in fields(TrainingSettings):
        assert len(item.metadata["help"]) > 5, item.name


@pytest.mark.parametrize("n_ratings", [80_000, 100_836, 140_000])
def test_data_of_the_size_that_defaults_were_tuned_on_get_those_defaults(n_ratings: int) -> None:
    for name, settings in MODEL_DEFAULTS.items():
        assert settings_for(name, n_ratings=n_ratings) == settings


@pytest.mark.parametrize(
    ("n_ratings", "factor"), [(150_000, 2), (1_000_000, 8), (20_000_000, 256), (10**10, 1024)]
)
def test_larger_data_get_larger_batches_and_an_epsilon_as_much_smaller(
    n_ratings: int, factor: int
) -> None:
    scaled, base = settings_for("collab_nn", n_ratings=n_ratings), MODEL_DEFAULTS["collab_nn"]
    assert scaled.batch_size == 256 * factor
    assert scaled.eps * factor == base.eps
    assert replace(scaled, batch_size=256, eps=base.eps) == base


def test_a_batch_size_of_one_s_own_and_recipes_are_left_alone() -> None:
    assert settings_for(n_ratings=10**7, batch_size=256) == MODEL_DEFAULTS["collab_learner"]
    assert settings_for(recipe="collab_nn", n_ratings=10**7) == RECIPES["collab_nn"]


def test_als_alternates_less_often_on_many_ratings() -> None:
    assert for_size(MODEL_DEFAULTS["als"], 500_000).epochs == 15
    assert for_size(MODEL_DEFAULTS["als"], 1_000_000).epochs == 5


def test_large_data_gets_fewer_sweeps_and_a_larger_file() -> None:
    tuned = MODEL_DEFAULTS["bayesian_mf"]
    assert for_size(tuned, 130_000) == tuned
    large = for_size(tuned, 20_000_000)
    assert (large.n_factors, large.epochs, large.burn_in, large.max_mb) == (16, 40, 13, 320)
    assert large.epochs < for_size(tuned, 1_000_000).epochs < tuned.epochs
    given = settings_for("bayesian_mf", n_ratings=20_000_000, epochs=100, thin=5)
    assert (given.epochs, given.thin, given.n_factors) == (100, 5, 16)
    assert settings_for("als", n_ratings=10**7, epochs=9).epochs == 9
