"""Each user's last rating is held out: the protocol of sequential recommendation."""

from __future__ import annotations

from typing import Any

import numpy as np

from hf_cf.data.ratings import Ratings
from hf_cf.evaluation.protocol import evaluate
from hf_cf.evaluation.report import Evaluation
from hf_cf.recommender import Recommender


def leave_last_out(
    rec: Recommender, train: Ratings, test: Ratings, *, k: int = 10, **options: Any
) -> Evaluation:
    """Measure how soon lists of known users hold what they rated last, whatever its stars.

    It is `evaluate` with one held-out rating a user, later than those of the training, and
    relevant from the lowest stars on. ``recall@k`` is then the hit rate HR@k, and ``ndcg@k`` is
    ``1 / log2(place + 1)``, as Kang and McAuley (2018), "Self-Attentive Sequential
    Recommendation", report them; but all items that a user has not rated are ranked, where they
    rank 100 sampled ones (Krichene and Rendle 2020, "On Sampled Metrics for Item
    Recommendation", say why).

    Parameters
    ----------
    rec : Recommender
        Trained on `train`.
    train, test : Ratings
        With times: ``ratings.split(by="last")``.
    k : int
        Length of the lists.
    **options
        As `evaluate` takes them.

    Raises
    ------
    ValueError
        There are no times, a user has several held-out ratings, or one that is not the last.
    """
    if train.timestamps is None or test.timestamps is None:
        raise ValueError("these ratings have no timestamps, so it is not known which was the last")
    test = test.recode(train.users, test.items)
    assert test.timestamps is not None
    last = np.full(len(train.users), np.iinfo(np.int64).min)
    np.maximum.at(last, train.user_codes, train.timestamps)
    wrong = (test.user_codes > 0) & (
        (test.timestamps < last[test.user_codes]) | (test.user_counts()[test.user_codes] > 1)
    )
    if wrong.any():
        user = train.users.decode(test.user_codes[wrong][:1])[0]
        raise ValueError(
            f"what is held out of user {user!r} is not the last rating alone; split with "
            'by="last", --split last'
        )
    found = evaluate(rec, train, test, k=k, relevant_from=rec.scale.min, **options)
    return Evaluation(found.measurements, {"protocol": "leave-last-out", **found.protocol})
