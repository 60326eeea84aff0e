"""The scale of ratings, and where ratings come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from hf_cf.data.words import ItemWords

Stars = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RatingScale:
    """The values that a rating can take: from `min` to `max` in steps of `step`, in stars."""

    min: float
    max: float
    step: float

    @property
    def levels(self) -> Stars:
        """Every value of the scale in ascending order, float32."""
        count = round((self.max - self.min) / self.step) + 1
        return np.linspace(self.min, self.max, count, dtype=np.float32)

    @property
    def output_range(self) -> tuple[float, float]:
        """Range for a sigmoid output: wider than the scale, so that its ends can be reached.

        (0, 5.5) for MovieLens, as in fast.ai's book.
        """
        pad = 0.1 * max(abs(self.min), abs(self.max))
        low = 0.0 if 0 < self.min <= self.max / 4 else self.min - pad
        return low, self.max + pad

    @classmethod
    def infer(cls, stars: Stars) -> RatingScale:
        """The scale that the given ratings use."""
        values = distinct(stars)
        if len(values) == 1:
            return cls(float(values[0]), float(values[0]) + 1.0, 1.0)
        low, high = float(values[0]), float(values[-1])
        step = float(np.diff(values).min())
        # A scale has few levels; anything finer is a continuous score, shown in hundredths.
        return cls(low, high, max(step, (high - low) / 100))


def distinct(stars: Stars) -> Stars:
    """The different values among ratings, (n,), in ascending order."""
    return np.sort(pd.unique(stars))


LIKES = RatingScale(0.0, 1.0, 1.0)
"""The scale of interactions: 1 is a like. Strengths may reach beyond it."""


@dataclass(frozen=True)
class DataSource:
    """Where ratings come from and what may be done with them.

    Attributes
    ----------
    name : str
        Short name, such as ``"ml-100k"``.
    licence : str
        One sentence on what the licence allows; empty where unknown.
    citation : str
        What to cite; empty where nothing is asked for.
    url : str
        The dataset's page; empty where it has none.
    redistributable : bool
        Whether ratings, and so a user's history, may be passed on.
    synthetic : bool
        Whether the ratings were generated instead of given by people.
    noun, verb : str
        What an item is called and what people do with it, such as ``"book"`` and ``"read"``; empty
        where nobody said.
    """

    name: str = "ratings"
    licence: str = ""
    citation: str = ""
    url: str = ""
    redistributable: bool = True
    synthetic: bool = False
    noun: str = ""
    verb: str = ""

    @property
    def words(self) -> ItemWords:
        """Words for the items; a sample or a MovieLens that was saved without them holds films."""
        noun = self.noun or ("film" if self.name.startswith(("ml-", "sample")) else "")
        return ItemWords.of(noun, self.verb)
