"""The protocol: which ratings count, what is compared with what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import RatingScale, Stars
from hf_cf.data.vocab import Codes
from hf_cf.errors import demand_at_least_1
from hf_cf.evaluation.baselines import damped_biases, item_mean, popularity, same_order_for_all
from hf_cf.evaluation.bootstrap import Estimates, ratios_of_sums
from hf_cf.evaluation.groups import ITEM_EDGES, USER_EDGES
from hf_cf.evaluation.held_out import HeldOut
from hf_cf.evaluation.measurement import ranking, rating_errors
from hf_cf.evaluation.metrics import Values
from hf_cf.evaluation.report import Evaluation, Measurement
from hf_cf.inference.answers import predict, recommend
from hf_cf.inference.filters import Filters
from hf_cf.inference.metadata import BIASES, ITEM_MEAN, MODEL, MOST_POPULAR
from hf_cf.inference.top_n import ListOptions
from hf_cf.inference.users import KnownUsers
from hf_cf.recommender import Recommender

_PAIRS = 65_536  # ratings predicted at once
_USERS = 1_000  # users recommended to at once


def evaluate(
    rec: Recommender,
    train: Ratings | None,
    test: Ratings,
    *,
    k: int = 10,
    relevant_from: float | None = None,
    user_edges: Sequence[int] = USER_EDGES,
    item_edges: Sequence[int] = ITEM_EDGES,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
    progress: bool = False,
    **recommend: Any,
) -> Evaluation:
    """Measure rating error and ranking on held-out ratings of known users, next to baselines.

    Rating error: the stars of the model, the item mean and the damped biases (see
    `hf_cf.evaluation.baselines`), all kept within the rating scale, against every held-out
    rating; for an item that the model does not know, its ``#na#`` row answers.

    Ranking: of all items of the catalogue that a user has not rated in training, none sampled,
    each system shows k. Relevant are the user's held-out ratings of `relevant_from` stars and
    more; those of items that the model does not know cannot be hit. Users without relevant ones
    are left out. The most popular items are those with most training ratings of `relevant_from`
    and more; the item mean and the biases show the items that are highest by them. The metrics
    and their formulas are in `hf_cf.evaluation.metrics`.

    Held-out ratings of users without training ratings are left out (cold start is another
    question), and so are those that are in the training ratings, with a warning.

    Parameters
    ----------
    rec : Recommender
        Knows every user of `train`.
    train : Ratings or None
        What the model was trained on; None for its own history.
    test : Ratings
        Held-out ratings, with vocabularies of their own or the model's.
    k : int
        Length of the lists.
    relevant_from : float, optional
        In stars; by default four fifths of the scale, see `default_threshold`.
    user_edges, item_edges : sequence of int
        Where groups of users and items begin, in training ratings; see
        `hf_cf.evaluation.groups.group_by_count`.
    resamples, confidence, seed
        Of the bootstrap over users, see `hf_cf.evaluation.bootstrap.ratios_of_sums`. Coverage,
        Gini and median popularity have no interval: drawing the same user twice changes them.
    progress : bool
        Whether to show a progress bar on a terminal.
    **recommend
        Passed on to `Recommender.recommend`, such as ``order_by="stars"``.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        There are no training ratings, or no held-out ratings are left to measure on.
    """
    demand_at_least_1(k, "k")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it must lie between 0 and 1")
    data = HeldOut.prepare(rec, train, test)
    by_stars = rec.trained.scorer.predicts_stars
    threshold = threshold_of(rec, relevant_from)

    def bootstrap(above: Values, below: Values) -> Estimates:
        return ratios_of_sums(above, below, resamples=resamples, confidence=confidence, seed=seed)

    found: list[Measurement] = []
    orders: dict[str, npt.NDArray[Any]] = {MOST_POPULAR: popularity(data.train, at_least=threshold)}
    if by_stars:
        mean, biases = item_mean(data.train), damped_biases(data.train)
        orders |= {ITEM_MEAN: mean.items, BIASES: biases.items}
        pairs = data.test.user_codes, data.test.item_codes
        stars = {
            MODEL: _stars(rec, *pairs),
            ITEM_MEAN: mean.predict(*pairs),
            BIASES: biases.predict(*pairs),
        }
        for system, predicted in stars.items():
            found += rating_errors(system, predicted, data, user_edges, item_edges, bootstrap)

    relevant = data.relevant(threshold)
    users = np.flatnonzero(np.diff(relevant.starts)).astype(np.int32)
    if len(users):
        lists = {MODEL: _recommended(rec, data, users, k, recommend, progress)}
        rated = data.history.take(users)
        for system, scores in orders.items():
            lists[system] = same_order_for_all(scores, rated, k)
        for system, top in lists.items():
            found += ranking(system, top, relevant.take(users), data, bootstrap)
    protocol = {
        "model": rec.model.name,
        "data": rec.source.name,
        "k": k,
        "relevant_from": threshold,
        "train_ratings": len(data.train),
        "test_ratings": len(data.test),
        "left_out_known": data.left_out_known,
        "left_out_new_users": data.left_out_new_users,
        "users": len(np.unique(data.test.user_codes)),
        "users_ranked": len(users),
        "catalogue": len(rec.items) - 1,
        "resamples": resamples,
        "confidence": confidence,
        "seed": seed,
        "recommend": recommend,
    }
    return Evaluation(tuple(found), protocol)


def default_threshold(scale: RatingScale) -> float:
    """Stars from which a held-out rating is relevant: 4 of 5, 8 of 10, 80 of 100.

    That is four fifths of the highest rating; on a scale that goes below zero, four fifths of the
    way from its lowest to its highest.
    """
    floor = min(scale.min, 0.0)
    return floor + 0.8 * (scale.max - floor)


def threshold_of(rec: Recommender, wanted: float | None) -> float:
    """From where on a held-out rating is relevant: every interaction where there are no stars."""
    if wanted is not None:
        return wanted
    return default_threshold(rec.scale) if rec.trained.scorer.predicts_stars else 0.0


def _stars(rec: Recommender, users: Codes, items: Codes) -> Stars:
    stars = np.empty(len(users), np.float32)
    for start in range(0, len(users), _PAIRS):
        rows = slice(start, start + _PAIRS)
        stars[rows] = predict(rec.trained, KnownUsers(users[rows]), items[rows]).stars
    return stars


def _recommended(
    rec: Recommender,
    data: HeldOut,
    users: Codes,
    k: int,
    options: Mapping[str, Any],
    progress: bool,
) -> Codes:
    """Lists of `Recommender.recommend` for user codes in ascending order, shape (B, k)."""
    lists = ListOptions(**_chosen(ListOptions, options))
    filters = Filters(**_chosen(Filters, options))
    others = {name: options[name] for name in ("include_rated", "approximate") if name in options}
    top = np.zeros((len(users), k), np.int32)
    with tqdm(
        total=len(users), desc="Ranking", unit=" users", disable=None if progress else True
    ) as bar:
        for start in range(0, len(users), _USERS):
            some = users[start : start + _USERS]
            asking = KnownUsers(some, data.history)
            found = recommend(rec.trained, asking, k, lists, filters, **others)
            top[start : start + len(some)] = found.lists(len(some), k)
            bar.update(len(some))
    return top


def _chosen(kind: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options that are fields of a dataclass."""
    return {each.name: options[each.name] for each in fields(kind) if each.name in options}
