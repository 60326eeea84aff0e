"""Alternating least squares on explicit ratings."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hf_cf.data.ratings import Ratings
from hf_cf.evaluation.baselines import Damping, chosen_damping
from hf_cf.inference.star_errors import star_errors
from hf_cf.models import BiasedFactorization
from hf_cf.models.solver import Prior, SparseRows, solve_rows
from hf_cf.models.threads import on_usable_threads
from hf_cf.training.checkpoint import Checkpoint, State
from hf_cf.training.rating_rows import rating_rows
from hf_cf.training.settings import TrainingSettings

_LEAST_UNIT = 1e-4  # of ratings that are all equal, as a share of their mean


@on_usable_threads()
def train_als(
    settings: TrainingSettings,
    train: Ratings,
    valid: Ratings | None,
    *,
    progress: bool = True,
    checkpoint: Checkpoint | None = None,
    device: torch.device | str = "cpu",
) -> tuple[BiasedFactorization, list[dict[str, float]]]:
    """Fit factors and biases alternating: users for given items, items for given users.

    Each row minimises, in its factors p and its bias b::

        sum_c (rating - mean - bias_c - b - p . f_c)**2  +  n**e * (l s |p|**2 + m b**2)

    with n its number of ratings, and l and e the settings ``regularization`` and
    ``regularization_exponent`` (0: the usual ridge; 1: the weighted-lambda of Zhou, Wilkinson,
    Schreiber and Pan 2008). s is the RMSE of damped biases in cross-validation: the units of the
    scale drop out. m is such that a row with d ratings has the ridge ``d *
    bias_regularization`` on its bias, d being the damping that cross-validation chooses.

    Returns
    -------
    model : BiasedFactorization
        In evaluation mode, on the device.
    epochs : list of dict
        One record an iteration: ``epoch``, ``seconds``, and ``valid_mse``, ``valid_mae``,
        ``valid_loss`` with validation ratings.
    """
    rows, damping = rating_rows(train, device), chosen_damping(train)
    with torch.random.fork_rng():
        model = BiasedFactorization(len(train.users), len(train.items), settings.n_factors)
    model = model.to(device)
    model.mean.copy_(rows.by_user.values.mean(dtype=torch.float64))
    unit = unit_of(damping, float(model.mean))
    of_users, of_items = (
        Ridge.of(counts, own, unit, settings, device)
        for counts, own in (
            (train.user_counts(), damping.user),
            (train.item_counts(), damping.item),
        )
    )
    by_user, by_item = (
        replace(side, values=side.values - model.mean) for side in (rows.by_user, rows.by_item)
    )
    del rows
    generator = torch.Generator().manual_seed(settings.seed)
    size = settings.n_factors
    # Factors of the size that training ends at; the last column holds the biases.
    item_side = torch.randn(len(train.items), size + 1, generator=generator).to(device)
    item_side *= 0.1 * unit**0.5
    item_side[:, -1] = 0
    epochs: list[dict[str, float]] = []
    state = None if checkpoint is None else checkpoint.load()
    if state is not None:
        epochs = state.metadata["epochs"]
        item_side = state.tensors["items"].to(device)
        put_sides(model, state.tensors["users"].to(device), item_side)
    done = range(len(epochs), settings.epochs)
    bar = tqdm(done, desc="als", initial=len(epochs), total=settings.epochs, disable=not progress)
    for epoch in bar:
        started = time.perf_counter()
        user_side = half(by_user, item_side, of_users)
        item_side = half(by_item, user_side, of_items)
        record = {"epoch": epoch + 1.0, "seconds": time.perf_counter() - started}
        put_sides(model, user_side, item_side)
        if valid is not None:
            errors = star_errors(model, valid)
            record |= {"valid_loss": errors["mse"], "valid_mse": errors["mse"]}
            record["valid_mae"] = errors["mae"]
            bar.set_postfix(valid_rmse=f"{errors['rmse']:.4f}")
        epochs.append(record)
        if checkpoint is not None:
            checkpoint.save(State({"users": user_side, "items": item_side}, {"epochs": epochs}))
    return model.eval().requires_grad_(False), epochs


class Ridge(NamedTuple):
    """Shrinkage of one side, users or items: see `train_als`.

    Attributes
    ----------
    factors : Tensor, shape (n,)
        Ridge of each row's factors.
    bias_unit : float
        What biases are measured in, so that one ridge serves both.
    """

    factors: Tensor
    bias_unit: float

    @classmethod
    def of(
        cls,
        counts: npt.NDArray[np.int64],
        damping: float,
        unit: float,
        settings: TrainingSettings,
        device: torch.device | str,
    ) -> Ridge:
        """Ridge of rows with these numbers of ratings, (n,), and this damping of their biases."""
        exponent, ridge = settings.regularization_exponent, settings.regularization * unit
        rows = torch.from_numpy(counts).to(device).clamp_min(1).float() ** exponent
        of_bias = settings.bias_regularization * damping ** (1 - exponent)
        # The bias is solved for in a unit of its own, so that factors and bias share one ridge.
        return cls(ridge * rows, (ridge / of_bias) ** 0.5)


def unit_of(damping: Damping, mean: float) -> float:
    """Size of what biases leave of the ratings, in stars, which the shrinkage is measured in."""
    return max(damping.rmse, _LEAST_UNIT * max(abs(mean), _LEAST_UNIT))


def half(rows: SparseRows, other: Tensor, ridge: Ridge) -> Tensor:
    """Half an alternation: factors and biases of the rows, (n_rows, k + 1), given the columns'."""
    design = torch.cat([other[:, :-1], torch.full_like(other[:, -1:], ridge.bias_unit)], 1)
    solved = solve_rows(rows, design, Prior(ridge.factors), offsets=other[:, -1]).mean
    solved[:, -1] *= ridge.bias_unit
    return solved


def put_sides(model: BiasedFactorization, user_side: Tensor, item_side: Tensor) -> None:
    """Put factors and biases, (n_rows, k + 1), into the tables of a model."""
    with torch.no_grad():
        for tables, side in zip(model.tables(), (user_side, item_side), strict=True):
            tables[0].weight.copy_(side[:, :-1])
            tables[1].weight.copy_(side[:, -1:])
