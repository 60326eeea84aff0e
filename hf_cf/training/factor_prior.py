"""What a side's factors depend on: a common Gaussian, and weights of features."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.float64]

_MEAN_WEIGHT = 1.0  # of the normal-Wishart prior, in rows
_LINK_SHAPE = 1.0  # of the Gamma priors of precisions, with as large a rate


class LinkedPrior:
    """Gaussian prior of rows of factors, ``x ~ N(mean + F B, precision^-1)``, to be sampled.

    The mean and the precision have a normal-Wishart prior, as in Salakhutdinov and Mnih (2008);
    the weights B of the features a matrix normal one, ``N(0, precision^-1 / link_precision)``
    column by column of F, as in Macau (Simm et al. 2017, equations 5 to 7). F'F is decomposed
    once, so that drawing all of B costs one product with its eigenvectors.

    Parameters
    ----------
    features : Tensor, shape (n, p)
        F: features of all rows.
    trained : Tensor of bool, shape (n,)
        Rows with ratings, which the draws are conditioned on.
    units : float64 array, shape (d,)
        Variance of each coordinate that the prior of their covariance expects.
    """

    def __init__(self, features: Tensor, trained: Tensor, units: Floats) -> None:
        self.features, self.trained, self.units = features, trained, units
        size = len(units)
        device = features.device
        self.mean = torch.zeros(size, device=device)
        self.precision = torch.diag(to(1 / units, self.mean))
        self.weights = torch.zeros(features.shape[1], size, device=device)
        self.link_precision = 1.0
        self._rows = torch.nonzero(trained)[:, 0]
        self._own = features if len(self._rows) == len(trained) else features[self._rows]
        values, self._vectors = torch.linalg.eigh((self._own.T @ self._own).double())
        self._values = values.clamp_min(0)

    def row_means(self) -> Tensor:
        """Prior mean of every row, (n, size)."""
        return self.mean + self.features @ self.weights

    def sample(self, factors: Tensor, rng: np.random.Generator) -> None:
        """Draw mean, precision, weights and their precision, given the rows' factors, (n, size)."""
        own = factors[self._rows].double()
        weights = self.weights.double()
        residuals = own - (self._own @ self.weights).double()
        average = residuals.mean(0) if len(own) else own.new_zeros(own.shape[1])
        centred = residuals - average
        scatter = centred.T @ centred + self.link_precision * weights.T @ weights
        mean, precision = draw_normal_wishart(
            len(own), average.cpu().numpy(), scatter.cpu().numpy(), len(weights), rng, self.units
        )
        if len(weights):
            weights = self._draw_weights(own - to(mean, own), precision, rng)
            squares = float(((weights @ to(precision, own)) * weights).sum())
            shape = _LINK_SHAPE + weights.numel() / 2
            drawn = rng.standard_gamma(shape) / (_LINK_SHAPE + squares / 2)
            self.link_precision = float(np.float32(drawn))  # as a model keeps it
        self.mean, self.precision = to(mean, factors), to(precision, factors)
        self.weights = weights.to(factors.dtype)

    def _draw_weights(self, rows: Tensor, precision: Floats, rng: np.random.Generator) -> Tensor:
        products = (self._own.T @ rows.to(self._own.dtype)).double()
        total = (self._values + self.link_precision)[:, None]
        drawn = rng.standard_normal((len(total), len(precision)))
        # Rows with the covariance precision^-1: with L L' = precision, L'^-1 z.
        drawn = np.linalg.solve(np.linalg.cholesky(precision).T, drawn.T).T
        return self._vectors @ (
            self._vectors.T @ products / total + to(drawn, total) / total.sqrt()
        )


def to(array: npt.NDArray[Any], like: Tensor) -> Tensor:
    """Return an array as a tensor of the type and on the device of another."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(like)


def draw_normal_wishart(
    n: int,
    average: Floats,
    scatter: Floats,
    n_more: int,
    rng: np.random.Generator,
    units: Floats,
) -> tuple[Floats, Floats]:
    """Draw the mean and the precision of Gaussian rows from their normal-Wishart posterior.

    Salakhutdinov and Mnih (2008), equation 14, with the prior mean 0, its weight of one row, the
    scale matrix ``diag(1 / units)`` and as many degrees of freedom as coordinates.

    Parameters
    ----------
    n : int
        Rows.
    average : ndarray, shape (d,)
        Their mean.
    scatter : ndarray, shape (d, d)
        Products of the rows less their mean, and of `n_more` rows that share the precision and
        have the mean 0.
    units : ndarray, shape (d,)

    Returns
    -------
    mean : ndarray, shape (d,)
    precision : ndarray, shape (d, d)
    """
    size = len(average)
    weight = _MEAN_WEIGHT + n
    inverse_scale = np.diag(units) + scatter
    inverse_scale += _MEAN_WEIGHT * n / weight * np.outer(average, average)
    precision = _draw_wishart(size + n + n_more, np.linalg.inv(inverse_scale), rng)
    root = np.linalg.cholesky(weight * precision)
    drawn = np.linalg.solve(root.T, rng.standard_normal(size))
    return n / weight * average + drawn, precision


def _draw_wishart(freedom: int, scale: npt.NDArray[Any], rng: np.random.Generator) -> Floats:
    """Draw from a Wishart distribution by Bartlett's decomposition."""
    size = len(scale)
    triangle = np.tril(rng.standard_normal((size, size)), -1)
    triangle[np.diag_indices(size)] = np.sqrt(rng.chisquare(freedom - np.arange(size)))
    root = np.linalg.cholesky((scale + scale.T) / 2) @ triangle
    return root @ root.T
