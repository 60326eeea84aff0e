"""What somebody who calls `fit` may rely on."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from hf_cf import Ratings, Recommender
from hf_cf.data.vocab import Vocab
from hf_cf.models import RATING_MODELS
from hf_cf.training import RECIPES, fit
from hf_cf.training.epoch_log import best_epoch

every_model = pytest.mark.parametrize("model", RATING_MODELS)
Split = tuple[Ratings, Ratings]


@pytest.fixture(scope="module")
def few(sample: Ratings) -> Split:
    """Ratings of the first 60 users, a fifth held out."""
    return sample.take(sample.user_codes <= 60).split(seed=0)


def quick(few: Split, model: str | None = "collab_learner", **changes: Any) -> Recommender:
    """Train small and fast."""
    settings = {"epochs": 2, "n_factors": 8, "n_hidden": 10, "layers": (10, 5), "ranking": None}
    sampling = {"burn_in": 10, "thin": 1}
    return fit(*few, model, **{"progress": False, **settings, **sampling, **changes})


def weights(rec: Recommender) -> dict[str, torch.Tensor]:
    return rec.model.state_dict()


def errors_by_hand(rec: Recommender, held_out: Ratings) -> dict[str, float]:
    pairs = np.stack([held_out.user_codes, held_out.item_codes], 1)
    error = rec.model(torch.from_numpy(pairs).long()).numpy().astype(np.float64) - held_out.stars
    mse = (error**2).mean()
    return {
        "valid_mse": mse, "valid_rmse": mse**0.5, "valid_mae": np.abs(error).mean()
    }  # fmt: skip


@every_model
def test_every_model_learns(sample: Ratings, model: str) -> None:
    train, valid = sample.take(sample.user_codes <= 300).split(seed=0)
    rec = fit(train, valid, model, epochs=2, batch_size=128, progress=False, ranking=None)
    mean_only = ((valid.stars - train.stars.mean()) ** 2).mean()
    assert rec.metrics["valid_mse"] < 0.85 * mean_only
    assert rec.metrics["valid_mse"] == pytest.approx(errors_by_hand(rec, valid)["valid_mse"])


@every_model
def test_the_same_seed_gives_the_same_weights_and_another_does_not(few: Split, model: str) -> None:
    one, same, other = (quick(few, model, epochs=1, seed=seed) for seed in (1, 1, 2))
    for name, weight in weights(one).items():
        assert torch.equal(weight, weights(same)[name]), name
    assert any(not torch.equal(w, weights(other)[name]) for name, w in weights(one).items())


@pytest.mark.parametrize("model", ["collab_learner", "embedding_nn", "collab_nn", "als"])
def test_the_caller_s_random_numbers_are_left_alone(few: Split, model: str) -> None:
    torch_state, numpy_state, state = (
        torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    )  # fmt: skip
    quick(few, model, epochs=1, ranking="default")
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert random.getstate() == state


def test_the_caller_s_random_numbers_do_not_change_the_model(few: Split) -> None:
    first = quick(few)
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        again = quick(few)
    assert torch.equal(weights(first)["u_weight.weight"], weights(again)["u_weight.weight"])


# Many passes without decay: it learns the ratings by heart, and gets worse at all others.
BY_HEART = {
    "start": "random",
    "epochs": 8,
    "wd": 0.0,
    "lr": 0.05,
    "n_factors": 40,
    "schedule": "constant",
}


def test_the_best_epoch_is_kept_when_validation_gets_worse(few: Split) -> None:
    rec = quick(few, **BY_HEART)
    by_epoch = [epoch["valid_mse"] for epoch in rec.metadata.epochs]
    best = int(np.argmin(by_epoch))
    assert best < len(by_epoch) - 1
    assert by_epoch[-1] > by_epoch[best] + 0.02
    assert rec.metrics["best_epoch"] == best + 1
    assert rec.metrics["valid_mse"] == pytest.approx(by_epoch[best], rel=0.01)
    stopped = quick(few, **{**BY_HEART, "epochs": best + 1})
    assert torch.equal(weights(rec)["i_weight.weight"], weights(stopped)["i_weight.weight"])


def test_the_last_epoch_is_kept_where_that_is_asked_for(few: Split) -> None:
    rec = quick(few, **BY_HEART, keep_best=False)
    assert "best_epoch" not in rec.metrics
    assert rec.metrics["valid_mse"] == pytest.approx(rec.metadata.epochs[-1]["valid_mse"], rel=0.01)


def test_it_says_so_when_an_earlier_epoch_is_kept(
    few: Split, capsys: pytest.CaptureFixture[str]
) -> None:
    rec = quick(few, **BY_HEART, progress=True)
    said = capsys.readouterr().out
    assert f"after epoch {rec.metrics['best_epoch']:.0f} of 8" in said
    assert "Epoch 1 of 8: train_loss" in said


@every_model
def test_metrics_are_those_of_the_weights_that_are_kept(few: Split, model: str) -> None:
    rec = quick(few, model, **{**BY_HEART, "epochs": 4})
    for name, value in errors_by_hand(rec, few[1]).items():
        assert rec.metrics[name] == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("model", ["dot_product", "collab_learner", "collab_nn"])
def test_a_run_that_diverges_keeps_what_was_good_or_says_what_to_do(few: Split, model: str) -> None:
    with pytest.raises(ValueError, match=r"diverged.*lr=1e\+30.*smaller"):
        quick(few, model, lr=1e30, schedule="constant", y_range=None, start="random")


def test_an_epoch_without_a_number_for_an_error_is_not_the_best() -> None:
    astray = {"epoch": 3.0, "valid_mse": float("nan")}
    epochs = [{"epoch": 1.0, "valid_mse": 0.9}, {"epoch": 2.0, "valid_mse": 0.9}, astray]
    assert best_epoch(epochs) is epochs[0]
    assert best_epoch([astray, epochs[1]]) is epochs[1]
    assert best_epoch([astray]) is None
    assert best_epoch([{"epoch": 1.0}]) is None


@every_model
def test_without_validation_ratings_there_are_no_validation_metrics(few: Split, model: str) -> None:
    rec = quick((few[0], None), model)
    assert not any(name.startswith("valid") for name in rec.metrics)
    assert rec.metrics["train_mse"] < 2
    assert all(not name.startswith("valid") for epoch in rec.metadata.epochs for name in epoch)
    assert len(rec.metadata.epochs) == 2


@pytest.mark.parametrize("which", [0, 1])
def test_no_ratings_at_all_are_refused(few: Split, which: int) -> None:
    parts = list(few)
    parts[which] = parts[which].take(np.arange(0))
    with pytest.raises(ValueError, match=r"no (training|validation) ratings"):
        quick((parts[0], parts[1]))


def with_own_vocabularies(ratings: Ratings) -> Ratings:
    return Ratings.from_frame(ratings.to_frame(), items=ratings.catalogue, scale=ratings.scale)


def test_validation_ratings_may_have_vocabularies_of_their_own(few: Split) -> None:
    train, valid = few
    own = with_own_vocabularies(valid)
    assert own.items != train.items
    assert quick((train, own)).metrics["valid_mse"] == quick(few).metrics["valid_mse"]


def test_a_table_of_the_caller_s_is_trained_on_without_a_warning(few: Split) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*not writable.*")
        quick((with_own_vocabularies(few[0]), with_own_vocabularies(few[1])), epochs=1)


def test_validation_ratings_may_share_the_users_and_not_the_items(few: Split) -> None:
    train, valid = few
    reversed_items = Vocab(valid.items.ids[::-1])
    other = replace(valid.recode(valid.users, reversed_items), users=train.users)
    assert quick((train, other)).metrics["valid_mse"] == quick(few).metrics["valid_mse"]


def test_an_unknown_user_in_the_validation_ratings_is_an_average_user(few: Split) -> None:
    train, valid = few
    stranger = pd.DataFrame({"user": [99_999] * 3, "item": valid.items.ids[:3], "rating": 4.0})
    rec = quick((train, Ratings.from_frame(stranger, scale=train.scale)))
    expected = rec.model(torch.tensor([[0, 1], [0, 2], [0, 3]])).numpy()
    mse = ((expected - 4.0) ** 2).mean()
    assert rec.metrics["valid_mse"] == pytest.approx(mse, rel=1e-5)


@pytest.mark.parametrize("model", [name for name in RATING_MODELS if name != "bayesian_mf"])
def test_what_was_not_trained_gets_the_mean_of_what_was(few: Split, model: str) -> None:
    train, _ = few
    rec = quick(few, model, epochs=1)
    for tables, counts in zip(
        rec.model.tables(), (train.user_counts(), train.item_counts()), strict=True
    ):
        counts[0] = 0
        assert (counts == 0).sum() > 1
        for table in tables:
            rows = table.weight.numpy()
            mean = rows[counts > 0].mean(0)
            np.testing.assert_allclose(
                rows[counts == 0], np.tile(mean, ((counts == 0).sum(), 1)), atol=1e-6
            )


def test_the_range_of_stars_is_widened_given_or_left_away(few: Split) -> None:
    def y_range(**changes: Any) -> Any:
        return quick(few, "dot_product_bias", epochs=1, **changes).model.settings["y_range"]

    assert y_range() == (0.0, 5.5)
    assert y_range(y_range=(0.5, 5.0)) == (0.5, 5.0)
    assert y_range(y_range=None) is None


@pytest.mark.parametrize(
    "changes",
    [{"decay": "l2"}, {"schedule": "constant"}, {"decay_biases": True}, {"init": "uniform"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_hyperparameter_makes_a_difference_and_is_recorded(
    few: Split, changes: dict[str, Any]
) -> None:
    base = {"decay": "decoupled", "decay_biases": False, "init": "normal", "wd": 0.2}
    one, other = quick(few, **base), quick(few, **{**base, **changes})
    assert not torch.equal(weights(one)["u_bias.weight"], weights(other)["u_bias.weight"])
    assert other.metadata.settings.items() >= changes.items()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda few: fit(*few, "svd"), "no model 'svd'.*collab_learner"),
        (lambda few: fit(*few, recipe="svd"), "no recipe 'svd'.*plain_pytorch"),
        (lambda few: fit(*few, dropuot=0.1), "'dropuot' is not a hyperparameter.*dropout"),
        (lambda few: fit(*few, epochs=0), "epochs=0"),
        (lambda few: fit(*few, ranking="best"), "ranking='best'"),
    ],
)
def test_what_does_not_exist_is_refused_before_training(
    few: Split, call: Callable[[Split], Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        call(few)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains(few: Split, recipe: str) -> None:
    rec = fit(*few, recipe=recipe, epochs=1, progress=False, ranking=None)
    assert rec.model.name == RECIPES[recipe].model
    assert np.isfinite(rec.metrics["valid_mse"])
    assert rec.metadata.settings == replace(RECIPES[recipe], epochs=1).to_dict()


def test_a_record_of_each_epoch_and_the_versions_are_kept(few: Split) -> None:
    rec = quick(few, epochs=3)
    assert [epoch["epoch"] for epoch in rec.metadata.epochs] == [0, 1, 2, 3]
    for epoch in rec.metadata.epochs[1:]:
        assert set(epoch) == {
            "epoch", "seconds", "train_loss", "valid_loss", "valid_mse", "valid_mae"
        }  # fmt: skip
        assert epoch["valid_loss"] == pytest.approx(epoch["valid_mse"], rel=1e-4)
    assert rec.metrics["seconds"] == pytest.approx(sum(e["seconds"] for e in rec.metadata.epochs))
    assert rec.metadata.versions["torch"] == version("torch")


@pytest.mark.parametrize("rest", [0, 1, 2])
def test_any_number_of_ratings_trains_a_network_with_batch_normalisation(
    few: Split, rest: int
) -> None:
    train, valid = few
    rec = quick((train.take(np.arange(3 * 64 + rest)), valid), "embedding_nn", batch_size=64)
    assert np.isfinite(rec.metrics["valid_mse"])


def test_a_handful_of_ratings_is_enough() -> None:
    tiny = Ratings.from_frame(
        pd.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"], "rating": [5, 1, 4]})
    )
    for model in RATING_MODELS:
        rec = fit(tiny, None, model, epochs=1, progress=False)
        assert 1 <= rec.predict("a", "x") <= 5
        assert rec.recommend("b")["item"].tolist() == ["y"]
        assert len(rec.recommend(ratings={"x": 5})) == 1
