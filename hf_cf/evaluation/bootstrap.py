"""Means over users, and how far they would move with other users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hf_cf.evaluation.metrics import Values

_CELLS = 8_000_000  # draws held at once: 64 MB


@dataclass(frozen=True)
class Estimates:
    """Values with the bounds of their intervals, each of shape (m,)."""

    value: Values
    low: Values
    high: Values


def ratios_of_sums(
    numerators: Values,
    denominators: Values,
    *,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimates:
    """``sum over users of numerators / sum over users of denominators``, with intervals.

    A mean over users has denominators of 1; a mean over ratings has the user's number of ratings.
    The interval is the percentile bootstrap over users: users are drawn with replacement, as
    many as there are, and the ratio is taken again (Efron 1979). Ratings of one user are not
    independent, so that it is users that are drawn. All columns see the same draws.

    Parameters
    ----------
    numerators : float array, shape (B, m)
        One row a user.
    denominators : float array, shape (B, m) or (B, 1)
        A column that sums to 0 gives NaN.
    resamples : int
        Draws; 0 for no intervals (NaN).
    confidence : float
        Probability of an interval, between 0 and 1.
    seed : int
        Seed of the draws.
    """
    n_users, m = numerators.shape
    parts = np.concatenate([numerators, denominators], axis=1, dtype=np.float64)
    value = _ratios(parts.sum(0, keepdims=True), m)[0]
    if not resamples:
        return Estimates(value, np.full(m, np.nan), np.full(m, np.nan))
    rng = np.random.default_rng(seed)
    drawn = np.empty((resamples, m))
    at_once = max(1, _CELLS // n_users)
    for start in range(0, resamples, at_once):
        some = drawn[start : start + at_once]
        times = np.stack(
            [
                np.bincount(rng.integers(n_users, size=n_users), minlength=n_users)
                for _ in range(len(some))
            ]
        )
        some[:] = _ratios(times.astype(np.float64) @ parts, m)
    tail = (1 - confidence) / 2
    low, high = np.full(m, np.nan), np.full(m, np.nan)
    # A group of few users is missing from some draws, and from all where it has no ratings.
    for column in np.flatnonzero(np.isfinite(value)):
        low[column], high[column] = np.nanquantile(drawn[:, column], [tail, 1 - tail])
    return Estimates(value, low, high)


def _ratios(sums: Values, m: int) -> Values:
    above, below = sums[:, :m], np.broadcast_to(sums[:, m:], (len(sums), m))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
