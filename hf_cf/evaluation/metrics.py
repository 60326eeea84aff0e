"""Metrics of recommendation lists: arrays in, arrays out, nothing about models.

A list is a row of item codes, best first; code 0 fills rows with fewer than k items and counts as
a place that was left empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from hf_cf.data.history import History
from hf_cf.data.vocab import Codes

Hits = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


def find_hits(top: Codes, relevant: History) -> Hits:
    """Which entries of the lists are relevant.

    Parameters
    ----------
    top : int32 array, shape (B, k)
        One list a user.
    relevant : History
        Row b holds the relevant items of user b; those with code 0, which no model knows, are
        never hit.

    Returns
    -------
    bool array, shape (B, k)
    """
    width = int(max(top.max(initial=0), relevant.items.max(initial=0))) + 1
    pairs = relevant.user_codes().astype(np.int64) * width + relevant.items
    rows = np.arange(len(top), dtype=np.int64)[:, None]
    return (top > 0) & np.isin(rows * width + top, pairs)


# One value a user. `hits` has shape (B, k); `n_relevant`, shape (B,), is at least 1.


def ndcg(hits: Hits, n_relevant: Counts) -> Values:
    """Normalised discounted cumulative gain at k with binary gains, shape (B,).

    ``sum_j hit_j / log2(j + 1)`` over the places j = 1..k, divided by what the best possible list
    of ``min(k, n_relevant)`` relevant items reaches (Järvelin and Kekäläinen 2002).
    """
    k = hits.shape[1]
    discounts = 1 / np.log2(np.arange(2, k + 2))
    return hits @ discounts / discounts.cumsum()[np.minimum(n_relevant, k) - 1]


def recall(hits: Hits, n_relevant: Counts) -> Values:
    """Share of the relevant items that the list holds, shape (B,)."""
    return hits.sum(1) / n_relevant


def capped_recall(hits: Hits, n_relevant: Counts) -> Values:
    """Hits as a share of what a list of k can hold, ``min(k, n_relevant)``, shape (B,).

    The Recall@R of Liang et al. (2018), "Variational Autoencoders for Collaborative Filtering",
    section 4.1.
    """
    return hits.sum(1) / np.minimum(hits.shape[1], n_relevant)


def precision(hits: Hits, n_relevant: Counts) -> Values:
    """Share of the k places with a relevant item, shape (B,); empty places count."""
    return hits.mean(1)


def average_precision(hits: Hits, n_relevant: Counts) -> Values:
    """Average precision at k, shape (B,): its mean over users is MAP@k.

    ``sum_j hit_j * precision@j / n_relevant``, as trec_eval's ``map_cut``: more than k relevant
    items keep it below 1.
    """
    places = np.arange(1, hits.shape[1] + 1)
    return (hits * hits.cumsum(1) / places).sum(1) / n_relevant


def reciprocal_rank(hits: Hits, n_relevant: Counts) -> Values:
    """1 over the place of the first relevant item, shape (B,); 0 where none is in the list."""
    return np.where(hits.any(1), 1 / (hits.argmax(1) + 1), 0.0)


RANKING_METRICS: Mapping[str, Callable[[Hits, Counts], Values]] = MappingProxyType(
    {
        "ndcg": ndcg,
        "recall": recall,
        "precision": precision,
        "map": average_precision,
        "mrr": reciprocal_rank,
    }
)
"""Metrics that are a mean over users, by name."""


# The same, with each relevant item weighted by the inverse of its propensity: the probability that
# its rating is observed. Popular items are rated often, so that plain metrics reward popularity.


def inverse_propensities(popularity: Counts) -> Values:
    """Weights of items that do not pay for popularity, shape (n_items,).

    ``max(n, 1) ** -1/2`` of an item with n training ratings: one over the propensity of Saito et
    al. (2020), "Unbiased Recommender Learning from Missing-Not-At-Random Implicit Feedback", up to
    a factor that the metrics do not depend on.
    """
    return np.maximum(popularity, 1) ** -0.5


def propensity_weighted(top: Codes, relevant: History, weights: Values) -> dict[str, Values]:
    """Recall and nDCG at k in which a relevant item counts by its weight.

    With w the weights: ``sum_hits w / sum_relevant w``, the self-normalised estimator of Yang et
    al. (2018), "Unbiased Offline Recommender Evaluation for Missing-Not-At-Random Implicit
    Feedback"; and ``sum_j hit_j w_j / log2(j + 1)`` over what the relevant items reach
    in order of falling weights.

    Parameters
    ----------
    top : int32 array, shape (B, k)
        One list a user.
    relevant : History
        Row b holds the relevant items of user b, at least one.
    weights : float array, shape (n_items,)
        By code; see `inverse_propensities`.

    Returns
    -------
    dict of str to float array, shape (B,)
        ``ips_recall`` and ``ips_ndcg``.
    """
    k, n_users = top.shape[1], len(top)
    hits = find_hits(top, relevant) * weights[top]
    users, own = relevant.user_codes(), weights[relevant.items]
    order, place = np.lexsort((-own, users)), relevant.places()
    discounts = 1 / np.log2(np.arange(2, k + 2))
    best = np.where(place < k, discounts[np.minimum(place, k - 1)] * own[order], 0.0)
    return {
        "ips_recall": hits.sum(1) / np.bincount(users, own, n_users),
        "ips_ndcg": hits @ discounts / np.bincount(users, best, n_users),
    }


# What is shown, whether or not it is liked. `popularity`, shape (n_items,), counts the training
# ratings of each item by code.


def self_information(top: Codes, popularity: Counts, n_users: int) -> Values:
    """How surprising each list is, in bits, summed over its items, shape (B,).

    ``-log2(max(popularity_i, 1) / n_users)`` of an item: 0 for one that every user has rated, one
    bit more for each halving of its audience. The mean over all items shown is the novelty of
    Zhou et al. (2010), "Solving the apparent diversity-accuracy dilemma of recommender systems".
    """
    bits = -np.log2(np.maximum(popularity, 1) / n_users)
    return np.where(top > 0, bits[top], 0.0).sum(1)


def coverage(top: Codes, n_items: int) -> float:
    """Share of the catalogue's items that at least one list shows."""
    return float((_exposure(top, n_items) > 0).mean())


def gini(top: Codes, n_items: int) -> float:
    """Gini coefficient of how often the catalogue's items are shown.

    0 where all are shown equally often, near 1 where a few take every place. With the counts x in
    ascending order, ``sum_i (2 i - n - 1) x_i / (n sum_i x_i)``, i = 1..n; items that are never
    shown are among them.
    """
    shown = np.sort(_exposure(top, n_items))
    n = len(shown)
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float(weights @ shown / (n * shown.sum()))


def median_popularity(top: Codes, popularity: Counts) -> float:
    """Median number of training ratings over all places of all lists."""
    return float(np.median(popularity[top[top > 0]]))


def _exposure(top: Codes, n_items: int) -> Counts:
    """How often each item is shown, without ``#na#``; `n_items` counts ``#na#``."""
    return np.bincount(top[top > 0], minlength=n_items)[1:]
