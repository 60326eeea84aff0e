"""The one list of the tensors in ``model.safetensors``: names, shapes, and where they belong.

Those of a module are its own state, under ``rating.`` or ``ranking.``; all others stand here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hf_cf.inference.trained_model import TrainedModel

RATING, RANKING = "rating.", "ranking."
"""Prefixes of the tensors of either head."""


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


@dataclass(frozen=True)
class Sizes:
    """What the shapes of the tensors follow from.

    Attributes
    ----------
    users, items : int
        Rows of the tables, ``#na#`` included.
    rating, ranking : int, optional
        Lengths of a user vector in either head; None without a ranking head.
    has_own_prior : bool
        Whether the prior of user vectors follows from the rating model alone.
    features : int, optional
        Numbers that describe a profile; None where the model takes none.
    lists : int, optional
        Inverted lists of the index; None without one.
    text, axes : int, optional
        Lengths of a text's embedding and of what is kept of it; None without text.
    """

    users: int
    items: int
    rating: int
    ranking: int | None
    has_own_prior: bool
    features: int | None = None
    lists: int | None = None
    text: int | None = None
    axes: int | None = None


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in addition to those of the modules.

    Attributes
    ----------
    name : str
        In the file.
    owner : str
        Path of attributes of a `TrainedModel` at which it is.
    shape : callable
        Its dimensions; one of them is None where a model of these sizes does not store it.
    dtype : torch.dtype
    of_users : bool
        Whether it has one row a known user.
    """

    name: str
    owner: str
    shape: Callable[[Sizes], tuple[int | None, ...]]
    dtype: torch.dtype = torch.float32
    of_users: bool = False

    def value(self, model: TrainedModel) -> Tensor | None:
        """The tensor of a model; None where it has none."""
        found: Any = model
        for name in self.owner.split("."):
            found = None if found is None else getattr(found, name)
        return torch.from_numpy(found) if isinstance(found, np.ndarray) else found

    def expected(self, sizes: Sizes) -> Tensor | None:
        """An empty tensor of its shape and type on the current device; None if not stored."""
        dimensions = [size for size in self.shape(sizes) if size is not None]
        if len(dimensions) < len(self.shape(sizes)):
            return None
        return torch.empty(dimensions, dtype=self.dtype)

    def take(self, tensors: dict[str, Tensor]) -> Tensor | None:
        """Take it out of what was read; None where it is not stored."""
        return tensors.pop(self.name, None)


def _fitted(size: int, sizes: Sizes) -> int | None:
    """A dimension that only models have whose prior is fitted."""
    return None if sizes.has_own_prior else size


PRIOR_MEAN = StoredTensor("rating.prior.mean", "scorer.rating.prior.mean", lambda s: (s.rating,))
PRIOR_PRECISION = StoredTensor(
    "rating.prior.precision",
    "scorer.rating.prior.precision",
    lambda s: (_fitted(s.rating, s), s.rating),
)
USER_VECTORS = StoredTensor(
    "ranking.user_vectors",
    "scorer.ranking.user_vectors",
    lambda s: (s.users, s.ranking),
    of_users=True,
)
INDEX_CENTRES = StoredTensor(
    "ranking.index.centres", "scorer.ranking.index.centres", lambda s: (s.lists, s.ranking)
)
INDEX_LISTS = StoredTensor(
    "ranking.index.lists",
    "scorer.ranking.index.lists",
    lambda s: (None if s.lists is None else s.items,),
    torch.int64,
)
PROFILE_CENTRE = StoredTensor(
    "rating.profiles.centre", "scorer.profiles.centre", lambda s: (s.features,)
)
PROFILE_RATING = StoredTensor(
    "rating.profiles.weights",
    "scorer.profiles.rating",
    lambda s: (s.features, _fitted(s.rating, s)),
)
PROFILE_RANKING = StoredTensor(
    "ranking.profiles.weights", "scorer.profiles.ranking", lambda s: (s.features, s.ranking)
)

TEXT_CENTRE = StoredTensor("text.centre", "text.centre", lambda s: (s.text,))
TEXT_AXES = StoredTensor("text.axes", "text.axes", lambda s: (s.text, s.axes))

TENSORS = (
    PRIOR_MEAN, PRIOR_PRECISION, USER_VECTORS, INDEX_CENTRES, INDEX_LISTS, PROFILE_CENTRE,
    PROFILE_RATING, PROFILE_RANKING, TEXT_CENTRE, TEXT_AXES,
)  # fmt: skip


def stored(model: TrainedModel, modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Every tensor of a model by name: the state of the modules by prefix, and `TENSORS`."""
    values = ((each.name, each.value(model)) for each in TENSORS)
    return dict(_states(modules)) | {name: value for name, value in values if value is not None}


def expected(sizes: Sizes, modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """What `stored` gives for models of these sizes, empty, on the current device."""
    values = ((each.name, each.expected(sizes)) for each in TENSORS)
    return dict(_states(modules)) | {name: value for name, value in values if value is not None}


def _states(modules: Mapping[str, nn.Module]) -> Iterator[tuple[str, Tensor]]:
    for prefix, module in modules.items():
        for name, tensor in module.state_dict().items():
            yield f"{prefix}{name}", tensor
