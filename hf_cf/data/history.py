"""Who rated what, a user's ratings side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import Stars
from hf_cf.data.vocab import Codes


@dataclass(frozen=True, eq=False)
class History:
    """Ratings as a sparse matrix in compressed rows, one row a user code.

    Attributes
    ----------
    starts : int64 array, shape (n_users + 1,)
        User ``u``'s ratings stand at ``starts[u]:starts[u + 1]``; row 0 is ``#na#``.
    items : int32 array, shape (n,)
        Item codes.
    stars : float32 array, shape (n,)
        Ratings.
    """

    starts: npt.NDArray[np.int64]
    items: Codes
    stars: Stars

    @classmethod
    def from_codes(cls, users: Codes, items: Codes, stars: Stars, n_users: int) -> History:
        """Build from three columns of equal length, in any order."""
        order = np.argsort(users, kind="stable")
        lengths = np.bincount(users, minlength=n_users)
        return cls.from_lengths(lengths, items[order], stars[order])

    @classmethod
    def from_lengths(
        cls, lengths: npt.NDArray[np.integer[Any]], items: Codes, stars: Stars
    ) -> History:
        """Build from rows that stand one after another; their lengths have shape (n_rows,)."""
        starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        return cls(starts, items, stars)

    @classmethod
    def from_ratings(cls, ratings: Ratings) -> History:
        """Build from ratings, leaving out those whose user or item is ``#na#``."""
        rows = (ratings.user_codes > 0) & (ratings.item_codes > 0)
        return cls.from_codes(
            ratings.user_codes[rows],
            ratings.item_codes[rows],
            ratings.stars[rows],
            len(ratings.users),
        )

    def __len__(self) -> int:
        return len(self.items)

    @property
    def n_rows(self) -> int:
        """Number of rows, that of ``#na#`` included."""
        return len(self.starts) - 1

    def user_codes(self) -> Codes:
        """The user code of each rating, shape (n,)."""
        return np.repeat(np.arange(self.n_rows, dtype=np.int32), np.diff(self.starts))

    def places(self) -> npt.NDArray[np.int64]:
        """The place of each rating in its row, from 0, shape (n,)."""
        return np.arange(len(self)) - self.starts[self.user_codes()]

    def of(self, user: int) -> tuple[Codes, Stars]:
        """Item codes and stars of one user code."""
        rows = slice(int(self.starts[user]), int(self.starts[user + 1]))
        return self.items[rows], self.stars[rows]

    def updated(self, users: Codes, newer: History, n_users: int) -> History:
        """The ratings of both, for `n_users` codes: row b of `newer` is by ``users[b]``.

        Of an item that a user has rated in both the newer rating stays.
        """
        owners = np.concatenate([self.user_codes(), users[newer.user_codes()]])
        items = np.concatenate([self.items, newer.items])
        stars = np.concatenate([self.stars, newer.stars])
        order = np.lexsort((np.arange(len(items)), items, owners))
        owners, items, stars = owners[order], items[order], stars[order]
        last = np.ones(len(items), bool)
        last[:-1] = (owners[1:] != owners[:-1]) | (items[1:] != items[:-1])
        return History.from_codes(owners[last], items[last], stars[last], n_users)

    def without(self, other: History) -> History:
        """The ratings of pairs that do not stand in `other`, for as many user codes as it has."""
        width = 1 + max(int(self.items.max(initial=0)), int(other.items.max(initial=0)))
        own, theirs = (h.user_codes().astype(np.int64) * width + h.items for h in (self, other))
        left = ~np.isin(own, theirs)
        owners = self.user_codes()[left]
        return History.from_codes(owners, self.items[left], self.stars[left], other.n_rows)

    def where(self, chosen: npt.NDArray[np.bool_]) -> History:
        """The chosen ratings, bool, shape (n,), in the same rows."""
        owners, items, stars = self.user_codes()[chosen], self.items[chosen], self.stars[chosen]
        return History.from_codes(owners, items, stars, self.n_rows)

    def take(self, users: npt.NDArray[np.integer[Any]]) -> History:
        """The rows of some user codes, in their order: row 0 is that of ``users[0]``."""
        counts = np.diff(self.starts)[users]
        starts = np.zeros(len(users) + 1, np.int64)
        np.cumsum(counts, out=starts[1:])
        rows = np.repeat(self.starts[users] - starts[:-1], counts) + np.arange(starts[-1])
        return History(starts, self.items[rows], self.stars[rows])
