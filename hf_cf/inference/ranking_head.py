"""The trained ranking head: its model, its known users' vectors, an index of its items."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hf_cf.inference.item_index import ItemIndex
from hf_cf.models.ranking import ImplicitALS

_QUERIES = 512  # known users, or simulated visitors, that an index is tuned for


@dataclass(frozen=True)
class RankingHead:
    """A ranking model with the vectors of the users that it was trained on.

    Attributes
    ----------
    model : ImplicitALS
    user_vectors : Tensor, shape (n_users, k)
        By user code. They are what `model.user_vectors` gives for the users' ratings, kept so
        that known users are served where their ratings are not.
    index : ItemIndex, optional
        Of the model's item vectors, for catalogues of which not every item can be scored.
    """

    model: ImplicitALS
    user_vectors: Tensor
    index: ItemIndex | None = None

    def to(self, device: str | torch.device) -> RankingHead:
        """Return the same head on a device; the model itself moves."""
        model = self.model.to(device)
        index = None if self.index is None else self.index.to(device, model.item_factors)
        return RankingHead(model, self.user_vectors.to(device), index)

    def with_index(self, *, seed: int = 0, progress: bool = True) -> RankingHead:
        """Return the same head with an index, made for the users that it knows, or for visitors."""
        known = self.user_vectors.any(1).nonzero()[:, 0]
        generator = torch.Generator().manual_seed(seed)
        drawn = known[torch.randperm(len(known), generator=generator)[:_QUERIES].to(known.device)]
        queries = self.user_vectors[drawn] if len(drawn) else self._visitors(generator)
        index = ItemIndex.build(self.model.item_factors, queries, seed=seed, progress=progress)
        return RankingHead(self.model, self.user_vectors, index)

    def _visitors(self, generator: torch.Generator) -> Tensor:
        """Vectors of made-up people who love ten items near one that is often chosen."""
        factors = self.model.item_factors
        lengths = factors.norm(dim=1).cpu().clamp_min(1e-12)[: 2**24]  # all that PyTorch draws from
        often = torch.multinomial(lengths, _QUERIES, replacement=True, generator=generator)
        loved = [
            (part @ factors.T).topk(min(10, len(factors))).indices
            for part in factors[often.to(factors.device)].split(64)
        ]
        items = torch.cat(loved).flatten()
        indptr = torch.arange(_QUERIES + 1, device=items.device) * (len(items) // _QUERIES)
        stars = torch.full_like(items, self.model.settings["high"], dtype=torch.float32)
        return self.model.user_vectors(indptr, items, stars)
