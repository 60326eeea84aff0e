"""The items of highest score among millions, without scoring all of them."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from hf_cf.inference.spherical_kmeans import cluster_directions
from hf_cf.inference.top_n import places

DEPTH = 30
"""The best items that a search finds at least; shorter answers are the first of them."""

_RECALL = 0.98  # share of these items that the margin lets a search find, on fitting queries
_LISTS, _HEAD = 48, 32  # where a search begins: the longest items of the most promising lists
_FEW = 50  # if less than a fiftieth of the items may be found, all of these are scored
_MOST = 8  # a search that would read more than an eighth of the items scores all instead


class ItemIndex:
    """Inverted lists of item vectors by spherical k-means, longest first, for top inner products.

    The score of an item is its length times the query's part in its direction. Of each list a
    search reads the items that are long enough to reach the n-th best score found so far, if their
    direction suits the query better than the list's mean does by a margin::

        length * (mean . query + margin * spread * |query|) >= n-th best

    with ``spread`` the root mean square distance of a list's directions from their mean. With the
    margin at which no item is better than that the search would be exact (LEMP, of Teflioudi,
    Gemulla and Mykytiuk 2015, "LEMP: Fast Retrieval of Large Entries in a Matrix Product"); here
    it is the one that 98 % of the 30 best items of known users keep to, and more of the 100 best.
    The items that are read are scored exactly. What a filter hides is left out before, so that the
    n-th best is lower and more is read.

    Parameters
    ----------
    vectors : Tensor, shape (n_items, k)
        They are copied, in the order of the lists.
    centres : Tensor, shape (n_lists, k)
        Mean directions.
    lists : Tensor of int64, shape (n_items,)
        The list of each item.
    margin : float
        See above.
    """

    def __init__(self, vectors: Tensor, centres: Tensor, lists: Tensor, margin: float) -> None:
        self.centres, self.lists, self.margin = centres, lists, margin
        self._spread = _spread(centres)
        lengths = vectors.norm(dim=1)
        self._scale = float(lengths.max().clamp_min(1e-30)) * (1 + 1e-6)
        # One number stands for list and length, so that one binary search finds all places.
        self._keys, self._order = self._key(lists, lengths).sort(stable=True)
        self._row_of = torch.empty_like(self._order)
        self._row_of[self._order] = torch.arange(len(vectors), device=vectors.device)
        self._vectors = vectors.index_select(0, self._order)
        self._sizes = torch.bincount(lists, minlength=len(centres))
        self._starts = self._sizes.cumsum(0) - self._sizes
        first = self._order[self._starts.clamp_max(len(lists) - 1)]
        self._longest = lengths[first] * (self._sizes > 0)

    @classmethod
    def build(
        cls, vectors: Tensor, queries: Tensor, *, seed: int = 0, progress: bool = True
    ) -> ItemIndex:
        """Cluster items, and choose the margin by what the best items of the queries need.

        Parameters
        ----------
        vectors : Tensor, shape (n_items, k)
            Of the items.
        queries : Tensor, shape (n, k)
            Such as will be asked: vectors of known users.
        seed : int
            Seed of the clustering.
        progress : bool
            Whether to show a progress bar.
        """
        n_lists = max(1, round(4 * math.sqrt(len(vectors))))
        centres, lists = cluster_directions(vectors, n_lists, seed=seed, progress=progress)
        spread, lengths = _spread(centres), vectors.norm(dim=1).clamp_min(1e-30)
        needed = []
        for part in queries.split(64):
            best = (part @ vectors.T).topk(min(DEPTH, len(vectors)))
            own = lists[best.indices]
            at_mean = (part @ centres.T).gather(1, own)
            reach = best.values[:, -1:] / lengths[best.indices] - at_mean
            needed.append(reach / (part.norm(dim=1, keepdim=True) * spread[own]).clamp_min(1e-30))
        margin = _quantile(torch.cat(needed).flatten(), _RECALL)
        return cls(vectors, centres, lists, min(max(margin, 0.0), 10.0))

    def to(self, device: torch.device | str, vectors: Tensor) -> ItemIndex:
        """Return the same index on a device, where `vectors` are already."""
        if self.centres.device == vectors.device:
            return self
        return ItemIndex(vectors, self.centres.to(device), self.lists.to(device), self.margin)

    def search(self, query: Tensor, n: int, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Find the n items of highest score that are not hidden.

        Parameters
        ----------
        query : Tensor, shape (k,)
            A user's vector.
        n : int
            Items.
        hidden : Tensor of bool, shape (n_items,)
            Items that may not be found.

        Returns
        -------
        scores, items : Tensor, shape (at most n,)
            Best first; fewer than n only where fewer are not hidden.
        """
        passing = len(hidden) - int(np.count_nonzero(hidden.numpy(force=True)))
        depth = min(max(n, DEPTH), passing)
        rows = None
        if passing > len(hidden) // _FEW and depth < passing:
            rows = self._reachable(query, depth, hidden, passing / len(hidden))
        scores, items = self._scored(query, rows, hidden)
        best = scores.topk(min(n, len(scores)))
        return best.values, items[best.indices]

    def _reachable(self, query: Tensor, depth: int, hidden: Tensor, share: float) -> Tensor | None:
        """Rows of the items that can be among the best; None where that is no small part."""
        at_mean, off_axis = self.centres @ query, self._spread * query.norm()
        # The first rows give a lower bound of the scores, the next a higher one; the last rows hold
        # the answer.
        reach = at_mean + self.margin / 2 * off_axis
        n_lists = min(len(reach), math.ceil(_LISTS / share))
        lists = (reach * self._longest).topk(n_lists).indices
        rows = self._rows(lists, self._sizes[lists].clamp_max(_HEAD))
        for part in (0.5, 1.0):
            scores, _ = self._scored(query, rows, hidden)
            if len(scores) < depth:
                return None
            least = scores.topk(depth).values[-1]
            if not least > 0:  # then an item's length bounds nothing, and no list can be left out
                return None
            reach = at_mean + part * self.margin * off_axis
            lists = (reach * self._longest >= least).nonzero()[:, 0]
            keys = self._key(lists, least / reach[lists])
            counts = torch.searchsorted(self._keys, keys, right=True) - self._starts[lists]
            counts = torch.minimum(counts.clamp_min(0), self._sizes[lists])
            if int(counts.sum()) > len(hidden) // _MOST:
                return None
            rows = self._rows(lists, counts)
        return rows

    def _scored(self, query: Tensor, rows: Tensor | None, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and items of those rows, or of all, that are not hidden."""
        if rows is None:
            items = places(~hidden)
            rows = self._row_of.index_select(0, items)
            if len(items) > len(hidden) // _MOST:
                return (self._vectors @ query).index_select(0, rows), items
            return self._vectors.index_select(0, rows) @ query, items
        items = self._order.index_select(0, rows)
        seen = ~hidden.index_select(0, items)
        if not bool(seen.all()):
            rows, items = rows[seen], items[seen]
        return self._vectors.index_select(0, rows) @ query, items

    def _rows(self, lists: Tensor, counts: Tensor) -> Tensor:
        """Rows of the first items of lists."""
        ends = counts.cumsum(0)
        shifts = torch.repeat_interleave(self._starts[lists] - ends + counts, counts)
        return shifts + torch.arange(len(shifts), device=shifts.device)

    def _key(self, lists: Tensor, lengths: Tensor) -> Tensor:
        """Numbers in the order of the lists, and of falling lengths within each."""
        return lists.double() + (1 - lengths.double() / self._scale).clamp(0, 1 - 1e-9)


def _spread(centres: Tensor) -> Tensor:
    """Root mean square distance of unit vectors from their means, (n_lists,)."""
    return (1 - centres.square().sum(1)).clamp_min(1e-12).sqrt()


def _quantile(values: Tensor, share: float) -> float:
    # torch.quantile takes sixteen million values at most.
    at = max(1, math.ceil(share * len(values)))
    return float(values.kthvalue(at).values)
