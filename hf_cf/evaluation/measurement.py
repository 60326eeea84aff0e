"""A system's stars and lists to measurements."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from hf_cf.data.history import History
from hf_cf.data.scale import Stars
from hf_cf.data.vocab import Codes
from hf_cf.evaluation import metrics
from hf_cf.evaluation.bootstrap import Estimates
from hf_cf.evaluation.groups import group_by_count
from hf_cf.evaluation.held_out import HeldOut
from hf_cf.evaluation.metrics import Values
from hf_cf.evaluation.report import OVERALL, Measurement

Bootstrap = Callable[[Values, Values], Estimates]
"""Numerators and denominators to ratios of their sums over users, with intervals."""


def rating_errors(
    system: str,
    stars: Stars,
    data: HeldOut,
    user_edges: Sequence[int],
    item_edges: Sequence[int],
    bootstrap: Bootstrap,
) -> Iterator[Measurement]:
    """RMSE, MAE and MSE of a system's stars for ``data.test``, overall and by groups."""
    test = data.test
    error = stars.astype(np.float64) - test.stars
    users, rows = np.unique(test.user_codes, return_inverse=True)
    activity = data.train.user_counts()[test.user_codes]
    popularity = data.train.item_counts()[test.item_codes]
    groupings = {
        OVERALL: (np.zeros(len(test), np.int64), [OVERALL]),
        "user activity": group_by_count(activity, user_edges),
        "item popularity": group_by_count(popularity, item_edges),
    }
    labels: list[tuple[str, str]] = []
    sums = []  # over the ratings of each user in each group, (3, users, groups)
    for by, (groups, names) in groupings.items():
        labels += [(by, name) for name in names]
        cells, shape = rows * len(names) + groups, (len(users), len(names))
        of_ratings = (np.ones(len(error)), error**2, np.abs(error))
        own = [np.bincount(cells, each, math.prod(shape)) for each in of_ratings]
        sums.append(np.reshape(own, (3, *shape)))
    counts, squared, absolute = np.concatenate(sums, axis=2)
    n_ratings = counts.sum(0).astype(int)
    found = bootstrap(np.hstack([squared, absolute]), np.hstack([counts, counts]))
    for column, (by, group) in enumerate(labels):
        mse, mae = (interval(found, at) for at in (column, len(labels) + column))
        if n_ratings[column]:
            rmse = mse[0] ** 0.5, mse[1] ** 0.5, mse[2] ** 0.5
            count = int(n_ratings[column])
            for metric, (value, low, high) in {"rmse": rmse, "mae": mae, "mse": mse}.items():
                yield Measurement(system, metric, by, group, value, low, high, count)


def ranking(
    system: str, top: Codes, relevant: History, data: HeldOut, bootstrap: Bootstrap
) -> Iterator[Measurement]:
    """The metrics of a system's lists, (B, k), for users whose relevant items are given."""
    n_users, k = top.shape
    hits, n_relevant = metrics.find_hits(top, relevant), np.diff(relevant.starts)
    popularity = data.train.item_counts()
    audience = int((data.train.user_counts() > 0).sum())
    above = {name: metric(hits, n_relevant) for name, metric in metrics.RANKING_METRICS.items()}
    weights = metrics.inverse_propensities(popularity)
    above |= metrics.propensity_weighted(top, relevant, weights)
    below = [np.ones(n_users) for _ in above]
    above["novelty"] = metrics.self_information(top, popularity, audience)
    below.append((top > 0).sum(1).astype(np.float64))
    found = bootstrap(np.stack(list(above.values()), axis=1), np.stack(below, axis=1))
    values = {name: interval(found, column) for column, name in enumerate(above)}
    if top.any():
        n_items = len(data.train.items)
        nan = float("nan")
        values["coverage"] = metrics.coverage(top, n_items), nan, nan
        values["gini"] = metrics.gini(top, n_items), nan, nan
        values["median_popularity"] = metrics.median_popularity(top, popularity), nan, nan
    for name, (value, low, high) in values.items():
        yield Measurement(system, f"{name}@{k}", OVERALL, OVERALL, value, low, high, n_users)


def interval(found: Estimates, column: int) -> tuple[float, float, float]:
    """Value, low and high."""
    return float(found.value[column]), float(found.low[column]), float(found.high[column])
