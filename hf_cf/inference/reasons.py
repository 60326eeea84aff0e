"""Which of somebody's ratings moved their predictions, and which of them to name as a reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_cf.data.vocab import Codes

Floats = npt.NDArray[np.float32]

_LEAST = 0.2  # least effect, as a share of the largest effect on the same item


@dataclass(frozen=True, eq=False)
class Reasons:
    """Which of a user's ratings moved the predicted stars of m items most.

    Attributes
    ----------
    items : int32 array, shape (m, n)
        Codes of the rated items, the most telling first; 0 where there are fewer.
    ratings : float32 array, shape (m, n)
        What the user gave them.
    effects : float32 array, shape (m, n)
        How far each rating moved the stars, up or down.
    """

    items: Codes
    ratings: Floats
    effects: Floats

    def of_items(self) -> Iterator[tuple[Codes, Floats, Floats]]:
        """Codes, ratings and effects of each item, without those that are not there."""
        for items, ratings, effects in zip(self.items, self.ratings, self.effects, strict=True):
            there = items > 0
            yield items[there], ratings[there], effects[there]


def speaking(
    effects: Floats, likeness: Floats, liked: npt.NDArray[np.bool_], n: int, least: float
) -> npt.NDArray[np.int64]:
    """Choose n ratings for each item of a list.

    They are of liked things, they move the item up by `least` or more, and by a fifth of the
    largest effect or more. Those go first whose effect is large, that are like the item, and that
    stand on few cards before: ``effect * (0.1 + likeness) / (1 + cards before)``.

    Parameters
    ----------
    effects : float32 array, shape (m, r)
        How far each rating moves each item, best item first.
    likeness : float32 array, shape (m, r)
        How alike the rated items and the items are, -1 to 1.
    liked : bool array, shape (r,)
    n : int
    least : float
        In the unit of the effects.

    Returns
    -------
    int64 array, shape (m, n)
        Columns of the effects; -1 where there are fewer.
    """
    chosen = np.full((len(effects), n), -1, np.int64)
    cards: npt.NDArray[Any] = np.zeros(effects.shape[1])
    for row, (own, near) in enumerate(zip(effects, likeness, strict=True)):
        matters = liked & (own > 0) & (own >= least) & (own >= _LEAST * own.max(initial=0))
        value = np.where(matters, own * (0.1 + near.clip(0)) / (1 + cards), 0.0)
        best = np.argsort(-value, kind="stable")[: min(n, int(matters.sum()))]
        chosen[row, : len(best)] = best
        cards[best] += 1
    return chosen


def reason(title: str, rating: float, by_stars: bool = True) -> str:
    """One of the `Reasons` in words."""
    if not by_stars:
        return f"because of {title}"
    return f"because you gave {title} {rating:g} star{'s' * (rating != 1)}"
