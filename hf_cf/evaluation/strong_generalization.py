"""Lists for users whom a model was not trained on, by the protocol of the literature."""

from __future__ import annotations

import numpy as np

from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.data.vocab import Codes
from hf_cf.evaluation import metrics
from hf_cf.evaluation.baselines import popularity, same_order_for_all
from hf_cf.evaluation.bootstrap import ratios_of_sums
from hf_cf.evaluation.measurement import interval
from hf_cf.evaluation.metrics import Values
from hf_cf.evaluation.protocol import default_threshold
from hf_cf.evaluation.report import OVERALL, Evaluation, Measurement
from hf_cf.evaluation.simulated_visitors import shuffled, unseen_users
from hf_cf.inference.answers import recommend
from hf_cf.inference.metadata import MODEL, MOST_POPULAR
from hf_cf.inference.users import Visitors
from hf_cf.recommender import Recommender

LENGTH = 100
"""Items in a list; ``recall@20`` and ``recall@50`` look at its beginning."""


def strong_generalization(
    rec: Recommender,
    train: Ratings,
    test: Ratings,
    *,
    relevant_from: float | None = None,
    observed: float = 0.8,
    at_least: int = 5,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Measure lists for users whom the model was not trained on, as Liang et al. (2018) do.

    Of each held-out user, the ratings of `relevant_from` stars and more are shuffled; a share of
    them is the user's profile, as a visitor's, and the others are to be found among all items
    outside it.
    Lower ratings, and items that nobody rated in training, are left out, and so are users with
    fewer than `at_least` ratings left. The metrics are ``recall@20`` and ``recall@50``, whose
    denominators are at most 20 and 50 (`metrics.capped_recall`), ``ndcg@100``, and the last two
    with each item weighted by its inverse propensity. "Variational Autoencoders for Collaborative
    Filtering", section 4; the published figures train on likes alone, and on 80 to 90 % of the
    users.

    Parameters
    ----------
    rec : Recommender
        Trained on `train`.
    train, test : Ratings
        Of different users: ``ratings.split(by="user")``.
    relevant_from : float, optional
        In stars; four fifths of the scale where not given.
    observed : float
        Share of a user's ratings that the model sees, between 0 and 1.
    at_least : int
        Least ratings of a user, observed and held out together, at least 2.
    resamples, confidence, seed
        Of the bootstrap over users; the seed is that of the shuffle, too.

    Returns
    -------
    Evaluation
        Of the model and of the most popular items.

    Raises
    ------
    ValueError
        `test` holds ratings of users in `train`, or no user has enough ratings.
    """
    if not 0 < observed < 1:
        raise ValueError(f"observed is {observed}; it must lie between 0 and 1")
    if at_least < 2:
        raise ValueError(f"at_least is {at_least}; it must be at least 2")
    threshold = default_threshold(rec.scale) if relevant_from is None else relevant_from
    train, test = unseen_users(rec, train, test)
    known = (test.stars >= np.float32(threshold)) & (train.item_counts()[test.item_codes] > 0)
    test = test.take(known)
    test = test.take(test.user_counts()[test.user_codes] >= at_least)
    if not len(test):
        raise ValueError(
            f"no held-out user has {at_least} ratings of {threshold:g} and more, of items in "
            "training"
        )
    profiles, held_out = _fold_in(shuffled(test, seed)[0], observed)
    n_users = held_out.n_rows
    lists = {
        MODEL: recommend(rec.trained, Visitors(profiles), LENGTH).lists(n_users, LENGTH),
        MOST_POPULAR: same_order_for_all(popularity(train, at_least=threshold), profiles, LENGTH),
    }
    weights = metrics.inverse_propensities(train.item_counts())
    found: list[Measurement] = []
    for system, top in lists.items():
        values = _values(top, held_out, weights)
        estimates = ratios_of_sums(
            np.stack(list(values.values()), axis=1), np.ones((n_users, 1)),
            resamples=resamples, confidence=confidence, seed=seed,
        )  # fmt: skip
        found += [
            Measurement(system, name, OVERALL, OVERALL, *interval(estimates, column), n_users)
            for column, name in enumerate(values)
        ]
    protocol = {
        "protocol": "strong-generalization",
        "model": rec.model.name,
        "data": rec.source.name,
        "relevant_from": threshold,
        "observed": observed,
        "at_least": at_least,
        "train_users": int((train.user_counts() > 0).sum()),
        "users_ranked": n_users,
        "test_ratings": len(held_out),
        "catalogue": len(rec.items) - 1,
        "resamples": resamples,
        "confidence": confidence,
        "seed": seed,
    }
    return Evaluation(tuple(found), protocol)


def _fold_in(history: History, share: float) -> tuple[History, History]:
    """The observed ratings of each user, and the held-out ones: at least one of both."""
    counts = np.diff(history.starts)
    n_held_out = np.clip(((1 - share) * counts + 1e-9).astype(int), 1, counts - 1)
    first = history.places() < (counts - n_held_out)[history.user_codes()]
    return history.where(first), history.where(~first)


def _values(top: Codes, held_out: History, weights: Values) -> dict[str, Values]:
    hits, n_relevant = metrics.find_hits(top, held_out), np.diff(held_out.starts)
    return {
        "recall@20": metrics.capped_recall(hits[:, :20], n_relevant),
        "recall@50": metrics.capped_recall(hits[:, :50], n_relevant),
        "ndcg@100": metrics.ndcg(hits, n_relevant),
        **{
            f"{name}@{LENGTH}": each
            for name, each in metrics.propensity_weighted(top, held_out, weights).items()
        },
    }
