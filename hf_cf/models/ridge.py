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
    targets = root * (targets - mean)
    left, sizes, right = torch.linalg.svd(root * (design - centre), full_matrices=False)
    along = left.T @ targets
    outside = targets.square().sum() - along.square().sum()
    n = len(design)

    def error(penalty: float) -> float:
        kept = sizes.square() / (sizes.square() + penalty)
        missed = outside + ((1 - kept)[:, None] * along).square().sum()
        # One degree of freedom went to the mean.
        return float(missed / (n - 1 - kept.sum()).clamp_min(1e-9).square())

    penalty = float(min(_PENALTIES, key=error))
    weights = right.T @ ((sizes / (sizes.square() + penalty))[:, None] * along)
    return Regression((mean - centre @ weights).float(), weights.float())
