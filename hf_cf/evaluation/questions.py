"""What asking somebody new about a few items is worth, by the way of choosing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.evaluation.baselines import popularity
from hf_cf.evaluation.report import Curves
from hf_cf.evaluation.simulated_visitors import SimulatedVisitors
from hf_cf.inference.metadata import MODEL, MOST_POPULAR
from hf_cf.recommender import Recommender

ASKED = (0, 3, 5, 10)
AT_RANDOM, CONTROVERSIAL = "at random", "most controversial"

Asked: TypeAlias = npt.NDArray[np.int32]
"""Item codes, one row a person and one column a question."""


class Questions(Curves):
    """What `questions` found, by the number of questions asked.

    The columns of its table are ``asked``, ``system`` (the way of choosing questions), ``answered``
    (mean number of answers), ``rmse`` (stars) and ``ndcg`` (at k).
    """

    by, unit = "asked", "questions"

    def value(self, metric: str, asked: int, system: str = MODEL) -> float:
        """One figure: ``value("rmse", 5)`` or ``value("ndcg", 3, "most popular")``.

        Raises
        ------
        KeyError
            It was not measured.
        """
        return self._at(metric, asked, system)


def questions(
    rec: Recommender,
    train: Ratings,
    test: Ratings,
    *,
    asked: Sequence[int] = ASKED,
    k: int = 10,
    relevant_from: float | None = None,
    seed: int = 0,
) -> Questions:
    """Measure what a model tells people after asking them, compared with other ways of asking.

    People and their ratings are those of `cold_start`: the second half of each one's ratings is
    predicted and ranked. Of the first half a person tells what they are asked about; a question
    about anything else goes unanswered. `Recommender.next_questions` is asked anew after each
    question, and knows the answers. Beside it stand items at random, the most rated ones, and the
    most controversial: number of ratings times their variance (Rashid et al. 2002, "Getting to
    Know You", take a like measure). What follows from the answers is the same for all.

    Parameters
    ----------
    rec : Recommender
        Trained on `train`.
    train, test : Ratings
        Of different people: ``ratings.split(by="user")``.
    asked : sequence of int
        Numbers of questions.
    k : int
        Length of the lists.
    relevant_from : float, optional
        In stars; four fifths of the scale where not given.
    seed : int
        Seed of the shuffle and of the questions at random.

    Raises
    ------
    ValueError
        `test` holds ratings of people in `train`, or there are none with at least two ratings.
    """
    visitors = SimulatedVisitors.split(
        rec, train, test, k=k, relevant_from=relevant_from, seed=seed
    )
    ways: dict[str, Callable[[SimulatedVisitors, int, int], Asked]] = {
        MODEL: _chosen_by_model,
        AT_RANDOM: _at_random,
        MOST_POPULAR: _most_popular,
        CONTROVERSIAL: _most_controversial,
    }
    rows = []
    for system, choose in ways.items():
        all_asked = choose(visitors, max(asked), seed)
        for n in asked:
            given = _answers(visitors.observed, all_asked[:, :n])
            rows.append(
                {
                    "asked": n,
                    "system": system,
                    "answered": len(given) / len(visitors.people),
                    "rmse": visitors.rmse(visitors.model_stars(given)),
                    "ndcg": visitors.ndcg(visitors.model_lists(given)),
                }
            )
    table = pd.DataFrame(rows).sort_values("asked", kind="stable", ignore_index=True)
    return Questions(table, visitors.protocol(seed))


def _answers(observed: History, asked: Asked) -> History:
    """What people tell of the items that they are asked about."""
    n_items = int(max(observed.items.max(initial=0), asked.max(initial=0))) + 1
    pairs = np.arange(len(asked))[:, None] * n_items + asked
    return observed.where(
        np.isin(observed.user_codes().astype(np.int64) * n_items + observed.items, pairs)
    )


def _chosen_by_model(visitors: SimulatedVisitors, n: int, seed: int) -> Asked:
    rec, observed = visitors.rec, visitors.observed
    asked = np.zeros((len(visitors.people), n), np.int32)
    # Everybody is asked the same until their first answer.
    known: dict[tuple[Any, ...], int] = {}
    for row in range(len(asked)):
        items, stars = observed.of(row)
        for at in range(n):
            before = asked[row, :at]
            answered = np.isin(items, before)
            state = (before.tobytes(), items[answered].tobytes(), stars[answered].tobytes())
            if state not in known:
                answers = zip(rec.items.decode(items[answered]), stars[answered], strict=True)
                table = rec.next_questions(answers, n=1, exclude=rec.items.decode(before).tolist())
                known[state] = int(rec.items.encode(table["item"])[0])
            asked[row, at] = known[state]
    return asked


def _at_random(visitors: SimulatedVisitors, n: int, seed: int) -> Asked:
    rng, items = np.random.default_rng(seed), np.arange(1, len(visitors.rec.items))
    drawn = [rng.choice(items, n, replace=False) for _ in visitors.people]
    return np.array(drawn, np.int32)


def _most_popular(visitors: SimulatedVisitors, n: int, seed: int) -> Asked:
    return _highest(popularity(visitors.train), visitors, n)


def _most_controversial(visitors: SimulatedVisitors, n: int, seed: int) -> Asked:
    train = visitors.train
    items, stars, n_items = train.item_codes, train.stars.astype(np.float64), len(train.items)
    counts = np.bincount(items, minlength=n_items).clip(1)
    means = np.bincount(items, stars, n_items) / counts
    # The number of ratings times their variance.
    return _highest(np.bincount(items, (stars - means[items]) ** 2, n_items), visitors, n)


def _highest(scores: npt.NDArray[Any], visitors: SimulatedVisitors, n: int) -> Asked:
    order = np.argsort(-scores[1:], kind="stable")[:n] + 1
    return np.tile(order.astype(np.int32), (len(visitors.people), 1))
