"""Ridge regression of vectors on features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_PENALTIES = np.geomspace(1e-1, 1e5, 25)


@dataclass(frozen=True)
class Regression:
    """``intercept + features @ weights``.

    Attributes
    ----------
    intercept : Tensor of float32, shape (d,)
    weights : Tensor of float32, shape (p, d)
    """

    intercept: Tensor
    weights: Tensor


def ridge(design: Tensor, targets: Tensor, importance: Tensor | None = None) -> Regression:
    """Ridge regression with an intercept, of n rows.

    The penalty is the one with the least generalised cross-validation error (Golub, Heath and
    Wahba 1979, equation 1.4), over all targets together.

    Parameters
    ----------
    design : Tensor of float64, shape (n, p)
        Features.
    targets : Tensor of float64, shape (n, d)
    importance : Tensor of float64, shape (n,), optional
        How much each row counts; all the same where not given.
    """
    if importance is None:
        importance = torch.ones_like(design[:, 0])
    importance = (importance / importance.mean())[:, None]
    centre, mean = (importance * design).mean(0), (importance * targets).mean(0)
    root = importance.sqrt()
    targets, design = root * (targets - mean), root * (design - centre)
    squares, directions = torch.linalg.eigh(design.T @ design)
    squares = squares.clamp_min(0)
    along = directions.T @ (design.T @ targets)
    # What the features cannot tell apart has no part in the fit.
    fitted = torch.where(squares > 1e-12 * squares.sum(), 1 / squares, 0)[:, None] * along.square()
    outside = targets.square().sum() - fitted.sum()
    n = len(design)

    def error(penalty: float) -> float:
        kept = squares / (squares + penalty)
        missed = outside + ((1 - kept).square()[:, None] * fitted).sum()
        # One degree of freedom went to the mean.
        return float(missed / (n - 1 - kept.sum()).clamp_min(1e-9).square())

    penalty = float(min(_PENALTIES, key=error))
    weights = directions @ (along / (squares + penalty)[:, None])
    return Regression((mean - centre @ weights).float(), weights.float())


def factors_from_features(
    design: Tensor, factors: Tensor, counts: Tensor, asked: Tensor | None = None
) -> Tensor:
    """Item factors as their features predict them, by ridge regression on the rated items.

    Parameters
    ----------
    design : Tensor, shape (n, p)
        Features of the items.
    factors : Tensor, shape (n, k)
    counts : Tensor, shape (n,)
        Number of ratings of each item. It counts by the root of it: without that the prediction
        would be that of a typical item, which few people choose; with the number itself, of the
        most popular.
    asked : Tensor, shape (m, p), optional
        Features of the items to predict, where they are not the same.

    Returns
    -------
    Tensor, shape (m, k)
        Zero where no item is rated.
    """
    asked = design if asked is None else asked
    rated = torch.nonzero(counts)[:, 0]
    if not len(rated):
        return factors.new_zeros(len(asked), factors.shape[1])
    found = ridge(design[rated].double(), factors[rated].double(), counts[rated].double().sqrt())
    return found.intercept + asked @ found.weights
