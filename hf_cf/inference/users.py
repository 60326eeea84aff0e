"""Who asks: known users by code, visitors by their ratings; and both as vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

from hf_cf.data.history import History
from hf_cf.data.vocab import Codes

Rows: TypeAlias = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class KnownUsers:
    """Users that the model was trained on.

    Attributes
    ----------
    codes : int32 array, shape (B,)
    history : History, optional
        Ratings of all known users, by user code; None where the model came without them.
    """

    codes: Codes
    history: History | None = None

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Rows) -> KnownUsers:
        """Some of them, in the order of `rows`."""
        return KnownUsers(self.codes[rows], self.history)

    @property
    def observed(self) -> History | None:
        """Their observed ratings, one row a user; None where they are not known."""
        return None if self.history is None else self.history.take(self.codes)


@dataclass(frozen=True, eq=False)
class Visitors:
    """Users that the model was not trained on.

    Attributes
    ----------
    observed : History
        The ratings that they give, one row a visitor, B rows.
    features : Tensor, shape (B, p) or (1, p), optional
        What else is known of them, as `ProfileStart.read` gives it.
    """

    observed: History
    features: Tensor | None = None

    def __len__(self) -> int:
        return self.observed.n_rows

    def take(self, rows: Rows) -> Visitors:
        """Some of them, in the order of `rows`."""
        features = self.features
        if features is not None and len(features) > 1:
            features = features[rows]
        return Visitors(self.observed.take(rows), features)


Users: TypeAlias = KnownUsers | Visitors


@dataclass(frozen=True, eq=False)
class UserVectors:
    """Users as both heads see them, wherever their vectors came from.

    Attributes
    ----------
    rating : Tensor, shape (B, d)
        Vectors of the rating model.
    ranking : Tensor, shape (B, k), optional
        Vectors of the ranking head.
    observed : History, optional
        What they have rated, one row a user; None where it is not known.
    """

    rating: Tensor
    ranking: Tensor | None
    observed: History | None = None

    @property
    def rated(self) -> list[Codes]:
        """Codes of what each has rated; empty where that is not known."""
        if self.observed is None or not len(self.rating):
            return []
        return np.split(self.observed.items, self.observed.starts[1:-1])
