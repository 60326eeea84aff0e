"""Which items are alike: by who chose them, and by what the catalogue says of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from hf_cf.data.catalogue import Catalogue
from hf_cf.data.features import design_matrix, find_features

_RIDGE = 0.01  # of the mean eigenvalue of the factors' second moment
_FEW_RATINGS = 20.0  # number at which ratings count with the weight sqrt(1/2)
_CONTENT = 0.2  # how much the features count, relative to the ratings' 1
_AT_ONCE = 2**18


@dataclass(frozen=True)
class ItemSimilarity:
    """Items as vectors whose inner product says how alike they are, from -1 to 1.

    The cosine of two items' factors follows popularity, since the directions in which the factors
    of well known items lie are common to most of them. So the factors y are whitened first: with
    n an item's number of ratings, w its factor in coordinates in which those of all ratings have
    the same variance, and f the unit vector of its features::

        S = sum n y y' / sum n + ridge        w = S ** -1/2 y
        similarity = (r w . r' w' / (|w| |w'|) + content * f . f') / (1 + content)
        r = sqrt(n / (n + few_ratings))

    ``y' S^-1 y'`` is what iALS shows somebody of whom it knows one item alone (Hu, Koren and
    Volinsky 2008, section 5, "Explaining recommendations"). By r a film with three ratings is
    nobody's nearest neighbour because of chance, and what is rarely rated is compared by its
    features. The constants were chosen by `benchmarks/neighbours.py`.

    Attributes
    ----------
    factors : Tensor, shape (n_items, k)
    whitening : Tensor, shape (k, k)
        ``S ** -1/2``.
    lengths : Tensor, shape (n_items,)
        What each whitened factor is multiplied by.
    content : Tensor, shape (n_items, p)
        Feature vectors, scaled; without columns where the catalogue has no features.
    """

    factors: Tensor
    whitening: Tensor
    lengths: Tensor
    content: Tensor

    @classmethod
    def of(cls, factors: Tensor, catalogue: Catalogue) -> ItemSimilarity:
        """Compare the items of a catalogue by their factors, (n_items, k), and their features."""
        with_na = np.concatenate([[0], catalogue.n_ratings])
        counts = torch.from_numpy(with_na).to(factors.device, torch.float64)
        whitening = _whitening(factors, counts).to(factors.dtype)
        features = find_features(catalogue.table)
        content = torch.from_numpy(design_matrix(features, catalogue.table)).to(factors)
        content = torch.cat([content.new_zeros(1, content.shape[1]), normalize(content, dim=1)])
        share = _CONTENT / (1 + _CONTENT) if features else 0.0
        whitened = [(part @ whitening).norm(dim=1) for part in factors.split(_AT_ONCE)]
        by_ratings = ((1 - share) * counts / (counts + _FEW_RATINGS)).sqrt().to(factors.dtype)
        lengths = by_ratings / torch.cat(whitened).clamp_min(1e-12)
        return cls(factors, whitening, lengths, content * share**0.5)

    def vectors(self, items: Tensor) -> Tensor:
        """Vectors of items, codes of shape (m,), of length 1 at most, shape (m, k + p)."""
        table = self._table
        return self._computed(items) if table is None else table.index_select(0, items)

    @cached_property
    def _table(self) -> Tensor | None:
        """Vectors of all items, where they are few enough to be kept: a visitor waits for them."""
        return self._computed(slice(None)) if len(self.factors) <= _AT_ONCE else None

    def _computed(self, items: Tensor | slice) -> Tensor:
        by_ratings = self.factors[items] @ self.whitening * self.lengths[items, None]
        return torch.cat([by_ratings, self.content[items]], 1)

    def to_item(self, code: int) -> Tensor:
        """How alike every item is to one, shape (n_items,)."""
        own = self.vectors(torch.tensor([code], device=self.factors.device))[0]
        size = self.factors.shape[1]
        by_ratings = self.factors @ (self.whitening @ own[:size]) * self.lengths
        return by_ratings + self.content @ own[size:]


def _whitening(factors: Tensor, counts: Tensor) -> Tensor:
    """Inverse root of the factors' second moment over all ratings, float64, shape (k, k)."""
    moment = torch.zeros(factors.shape[1], factors.shape[1]).to(counts)
    for part, weights in zip(factors.split(_AT_ONCE), counts.split(_AT_ONCE), strict=True):
        moment += part.double().T @ (part * weights[:, None])
    moment /= counts.sum().clamp_min(1)
    values, axes = torch.linalg.eigh(moment)
    least = (_RIDGE * values.mean()).clamp_min(1e-30)
    return axes * (values.clamp_min(0) + least).rsqrt() @ axes.T
