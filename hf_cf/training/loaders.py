"""Batches sliced from tensors in memory, every row once an epoch, in the shape fastai expects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from fastai.data.core import DataLoaders
from torch import Tensor

from hf_cf.data.ratings import Ratings
from hf_cf.data.vocab import NA, Vocab

ROWS_AT_ONCE = 16_384
"""Rows for which a processor computes at once: what lies between still fits its cache."""


class Part(NamedTuple):
    """Rows that are computed together, all of a batch or a part of it."""

    share: float
    last: bool


class RatingsLoader:
    """Yields ``(pairs, stars)``: int64 of shape (B, 2) and float32 of shape (B,).

    fastai's own loader for collaborative filtering, ``TabWeightedDL``, draws rows with replacement,
    so that an epoch sees about 63% of them; this one visits every row once.

    Parameters
    ----------
    ratings : Ratings
        What to visit.
    batch_size : int
        Rows a batch. The last batch may be smaller; a last row alone joins the batch before it,
        because batch normalisation cannot train on one.
    shuffle : bool
        Whether each epoch has a new order.
    seed : int
        Seed of that order.
    at_once : int, optional
        Most rows to yield at once: a larger batch comes in parts, see `parts`.

    Attributes
    ----------
    parts : list of Part
        What each of the yielded is of its batch.
    """

    def __init__(
        self,
        ratings: Ratings,
        batch_size: int,
        *,
        shuffle: bool = False,
        seed: int = 0,
        at_once: int | None = None,
    ) -> None:
        pairs = np.stack([ratings.user_codes, ratings.item_codes], 1)
        self.pairs, self.stars = torch.from_numpy(pairs), torch.from_numpy(ratings.stars)
        self.bs, self.shuffle, self.seed = batch_size, shuffle, seed
        self.generator = torch.Generator().manual_seed(seed)
        self.device = torch.device("cpu")
        self.cut(at_once or len(self.stars) + 1)

    def cut(self, at_once: int) -> None:
        """Yield at most so many rows at once."""
        self.parts: list[Part] = []
        self._spans: list[slice] = []
        first = 0
        for batch in _cut(len(self.stars), self.bs):
            sizes = _cut(batch, at_once)
            for i, size in enumerate(sizes):
                self.parts.append(Part(size / batch, i == len(sizes) - 1))
                self._spans.append(slice(first, first + size))
                first += size

    def __len__(self) -> int:
        return len(self.parts)

    def to(self, device: torch.device | str) -> RatingsLoader:
        """Move the ratings to a device, where batches are cut from then on."""
        self.device = torch.device(device)
        self.pairs, self.stars = self.pairs.to(self.device), self.stars.to(self.device)
        # On the device, because a processor takes a second to shuffle 25 million rows.
        self.generator = torch.Generator(self.device).manual_seed(self.seed)
        return self

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if not self.shuffle:
            for span in self._spans:
                yield self.pairs[span].long(), self.stars[span]
            return
        order = torch.randperm(len(self.stars), generator=self.generator, device=self.device)
        for span in self._spans:
            rows = order[span]
            yield self.pairs[rows].long(), self.stars[rows]

    def to_detach(self, tensor: Tensor, cpu: bool = True, gather: bool = True) -> Tensor:
        """Tell fastai how to take a metric: where it is, so that no batch waits for a GPU."""
        return tensor.detach()


def _cut(n: int, size: int) -> list[int]:
    """Sizes of the pieces of n rows; a last row alone joins the piece before it."""
    whole, rest = divmod(n, size)
    sizes = [size] * whole
    if whole and rest < 2:
        sizes[-1] += rest
    elif rest:
        sizes.append(rest)
    return sizes


class RatingsDataLoaders(DataLoaders):
    """fastai ``DataLoaders`` with what ``collab_learner`` asks of them: names and classes."""

    def __init__(
        self,
        train: RatingsLoader,
        valid: RatingsLoader,
        users: Vocab,
        items: Vocab,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(train, valid, device=torch.device(device))
        self.cat_names = ["user", "item"]
        self.classes = {"user": [NA, *users.ids], "item": [NA, *items.ids]}
        self.n_inp = 1

    @classmethod
    def from_ratings(
        cls,
        train: Ratings,
        valid: Ratings | None,
        batch_size: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> RatingsDataLoaders:
        """Loaders of training and validation ratings; without the latter nothing is validated."""
        held_out = valid if valid is not None else train.take(np.arange(0))
        at_once = ROWS_AT_ONCE if torch.device(device).type == "cpu" else None
        return cls(
            RatingsLoader(train, batch_size, shuffle=True, seed=seed, at_once=at_once),
            RatingsLoader(held_out, max(batch_size, 65_536)),
            train.users,
            train.items,
            device,
        )
