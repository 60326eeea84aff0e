"""Groups of users by activity and of items by popularity, both by their training ratings."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

USER_EDGES = (1, 20, 50, 100, 200)
ITEM_EDGES = (1, 10, 50, 100, 500, 5_000)


def group_by_count(
    counts: npt.NDArray[np.int64], edges: Sequence[int]
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Sort counts into groups.

    Parameters
    ----------
    counts : int array, shape (n,)
        Numbers of training ratings.
    edges : sequence of int
        Where a new group begins, ascending, above 0: ``(1, 20)`` makes the groups ``0``,
        ``1 to 19`` and ``20 and more``.

    Returns
    -------
    groups : int array, shape (n,)
        Which group each count belongs to, from 0.
    names : list of str
        The groups' names, one more than there are edges.
    """
    bounds = [0, *edges]
    if any(low >= high for low, high in pairwise(bounds)):
        raise ValueError(f"the edges {tuple(edges)} must ascend and begin above 0")
    names = [
        str(low) if low == high - 1 else f"{low} to {high - 1}" for low, high in pairwise(bounds)
    ]
    return np.digitize(counts, edges), [*names, f"{bounds[-1]} and more"]
