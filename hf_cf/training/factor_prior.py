"""What a side's factors depend on: a common Gaussian, and weights of features."""

from __future__ import annotations

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
    size : int
        Coordinates of a row of factors.
    """

    def __init__(self, features: Tensor, trained: Tensor, size: int) -> None:
        self.features, self.trained = features, trained
        self.mean = torch.zeros(size)
        self.precision = torch.eye(size)
        self.weights = torch.zeros(features.shape[1], size)
        self.link_precision = 1.0
        self._own = features if bool(trained.all()) else features[trained]
        values, vectors = torch.linalg.eigh((self._own.T @ self._own).double())
        self._values, self._vectors = values.clamp_min(0).numpy(), vectors.numpy()

    def row_means(self) -> Tensor:
        """Prior mean of every row, (n, size)."""
        return self.mean + self.features @ self.weights

    def sample(self, factors: Tensor, rng: np.random.Generator) -> None:
        """Draw mean, precision, weights and their precision, given the rows' factors, (n, size)."""
        own = factors[self.trained].double().numpy()
        linked = (self._own @ self.weights).double().numpy()
        weights = self.weights.double().numpy()
        mean, precision = draw_normal_wishart(
            own - linked, self.link_precision * weights.T @ weights, len(weights), rng
        )
        if len(weights):
            weights = self._draw_weights(own - mean, precision, rng)
            squares = float(np.sum((weights @ precision) * weights))
            shape = _LINK_SHAPE + weights.size / 2
            drawn = rng.standard_gamma(shape) / (_LINK_SHAPE + squares / 2)
            self.link_precision = float(np.float32(drawn))  # as a model keeps it
        self.mean, self.precision, self.weights = (
            torch.from_numpy(part).float() for part in (mean, precision, weights)
        )

    def _draw_weights(self, rows: Floats, precision: Floats, rng: np.random.Generator) -> Floats:
        products = (self._own.T @ torch.from_numpy(rows).float()).double()
        total = (self._values + self.link_precision)[:, None]
        drawn = rng.standard_normal((len(total), len(precision)))
        # Rows with the covariance precision^-1: with L L' = precision, L'^-1 z.
        drawn = np.linalg.solve(np.linalg.cholesky(precision).T, drawn.T).T
        rotated = self._vectors.T @ products.numpy() / total + drawn / np.sqrt(total)
        return self._vectors @ rotated


def draw_normal_wishart(
    rows: Floats, scatter: Floats, n_more: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw the mean and the precision of Gaussian rows from their normal-Wishart posterior.

    Salakhutdinov and Mnih (2008), equation 14, with the prior mean 0, its weight of one row, the
    scale matrix I and as many degrees of freedom as coordinates.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
    scatter : ndarray, shape (d, d)
        Products of `n_more` rows that share the precision and have the mean 0.

    Returns
    -------
    mean : ndarray, shape (d,)
    precision : ndarray, shape (d, d)
    """
    n, size = rows.shape
    average = rows.mean(0) if n else np.zeros(size)
    centred = rows - average
    weight = _MEAN_WEIGHT + n
    inverse_scale = np.eye(size) + centred.T @ centred + scatter
    inverse_scale += _MEAN_WEIGHT * n / weight * np.outer(average, average)
    precision = _draw_wishart(size + n + n_more, np.linalg.inv(inverse_scale), rng)
    root = np.linalg.cholesky(weight * precision)
    drawn = np.linalg.solve(root.T, rng.standard_normal(size))
    return n / weight * average + drawn, precision


def _draw_wishart(freedom: int, scale: Floats, rng: np.random.Generator) -> Floats:
    """Draw from a Wishart distribution by Bartlett's decomposition."""
    size = len(scale)
    triangle = np.tril(rng.standard_normal((size, size)), -1)
    triangle[np.diag_indices(size)] = np.sqrt(rng.chisquare(freedom - np.arange(size)))
    root = np.linalg.cholesky((scale + scale.T) / 2) @ triangle
    return root @ root.T
