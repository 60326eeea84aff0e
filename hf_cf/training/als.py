"""Alternating least squares on explicit ratings."""

from __future__ import annotations

import time
from dataclasses import replace

import torch
from torch import Tensor
from tqdm.auto import tqdm

from hf_cf.data.ratings import Ratings
from hf_cf.inference.star_errors import star_errors
from hf_cf.models import BiasedFactorization
from hf_cf.models.solver import Prior, SparseRows, solve_rows
from hf_cf.models.threads import on_usable_threads
from hf_cf.training.checkpoint import Checkpoint, State
from hf_cf.training.rating_rows import rating_rows
from hf_cf.training.settings import TrainingSettings


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
    """Fit factors and biases by turns: users for given items, items for given users.

    Each row minimises, in its factors p and its bias b::

        sum_c (rating - mean - bias_c - b - p . f_c)**2  +  n**e * (l |p|**2 + m b**2)

    with n its number of ratings, and l, m, e the settings ``regularization``,
    ``bias_regularization`` and ``regularization_exponent`` (0: the usual ridge; 1: the
    weighted-lambda of Zhou, Wilkinson, Schreiber and Pan 2008).

    Returns
    -------
    model : BiasedFactorization
        In evaluation mode, on the device.
    epochs : list of dict
        One record an iteration: ``epoch``, ``seconds``, and ``valid_mse``, ``valid_mae``,
        ``valid_loss`` with validation ratings.
    """
    rows = rating_rows(train, device)
    with torch.random.fork_rng():
        model = BiasedFactorization(len(train.users), len(train.items), settings.n_factors)
    model = model.to(device)
    model.mean.copy_(rows.by_user.values.mean(dtype=torch.float64))
    by_user, by_item = (
        replace(side, values=side.values - model.mean) for side in (rows.by_user, rows.by_item)
    )
    del rows
    generator = torch.Generator().manual_seed(settings.seed)
    size = settings.n_factors
    # Factors of the size that training ends at; the last column holds the biases.
    item_side = torch.randn(len(train.items), size + 1, generator=generator).to(device) * 0.1
    item_side[:, -1] = 0
    epochs: list[dict[str, float]] = []
    state = None if checkpoint is None else checkpoint.load()
    if state is not None:
        epochs = state.metadata["epochs"]
        item_side = state.tensors["items"].to(device)
        _take(model, state.tensors["users"].to(device), item_side)
    done = range(len(epochs), settings.epochs)
    bar = tqdm(done, desc="als", initial=len(epochs), total=settings.epochs, disable=not progress)
    for epoch in bar:
        started = time.perf_counter()
        user_side = _half(by_user, item_side, settings)
        item_side = _half(by_item, user_side, settings)
        record = {"epoch": epoch + 1.0, "seconds": time.perf_counter() - started}
        _take(model, user_side, item_side)
        if valid is not None:
            errors = star_errors(model, valid)
            record |= {"valid_loss": errors["mse"], "valid_mse": errors["mse"]}
            record["valid_mae"] = errors["mae"]
            bar.set_postfix(valid_rmse=f"{errors['rmse']:.4f}")
        epochs.append(record)
        if checkpoint is not None:
            checkpoint.save(State({"users": user_side, "items": item_side}, {"epochs": epochs}))
    return model.eval().requires_grad_(False), epochs


def _half(rows: SparseRows, other: Tensor, settings: TrainingSettings) -> Tensor:
    """Factors and biases of the rows, (n_rows, k + 1), for those of the columns."""
    counts = rows.indptr.diff().clamp_min(1).to(other.dtype)
    ridge = settings.regularization * counts**settings.regularization_exponent
    # One ridge serves factors and bias when the bias is solved for in units of its own.
    unit = (settings.regularization / settings.bias_regularization) ** 0.5
    design = torch.cat([other[:, :-1], torch.full_like(other[:, -1:], unit)], 1)
    solved = solve_rows(rows, design, Prior(ridge), offsets=other[:, -1]).mean
    solved[:, -1] *= unit
    return solved


def _take(model: BiasedFactorization, user_side: Tensor, item_side: Tensor) -> None:
    with torch.no_grad():
        for tables, side in zip(model.tables(), (user_side, item_side), strict=True):
            tables[0].weight.copy_(side[:, :-1])
            tables[1].weight.copy_(side[:, -1:])
