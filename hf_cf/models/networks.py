"""Models in which a small network reads the user's and the item's embeddings side by side."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from hf_cf.models.base import SigmoidRange, embedding, embedding_size
from hf_cf.models.gaussian_users import GaussianUsersModel


class NetworkModel(GaussianUsersModel):
    """A network on concatenated embeddings; a user vector is the user's embedding.

    The first linear layer is applied to the user's and the item's part apart, so that all pairs of
    some users and some items cost one small product each and a sum.
    """

    dropout: nn.Module

    @property
    @abstractmethod
    def first(self) -> nn.Linear:
        """The layer that reads the embeddings."""

    @property
    @abstractmethod
    def rest(self) -> nn.Sequential:
        """All that follows the first layer."""

    def user_vectors(self, users: Tensor) -> Tensor:
        """Vectors of known users: codes, shape (B,), to shape (B, d)."""
        return self.tables()[0][0](users)

    def item_embeddings(self) -> Tensor:
        """Factors that say which items are alike, shape (n_items, k), ``#na#`` first."""
        return self.tables()[1][0].weight

    def read_out(self, output: Tensor) -> Tensor:
        """Stars of the network's output: (..., c) to (...)."""
        return output[..., 0]

    def training_output(self, pairs: Tensor) -> Tensor:
        """The network's output for (user, item) codes: (B, 2) to (B, c)."""
        return self.output(self.user_vectors(pairs[:, 0]), pairs[:, 1])

    def output(self, vectors: Tensor, items: Tensor) -> Tensor:
        """Output of the network for each vector and its item: (B, d), (B,) to (B, c)."""
        return self.rest(
            self.first(self.dropout(torch.cat([vectors, self.tables()[1][0](items)], 1)))
        )

    def stars(self, vectors: Tensor, items: Tensor) -> Tensor:
        """Stars that each vector gives the item paired with it: (B, d) and (B,) to (B,)."""
        return self.read_out(self.output(vectors, items))

    def stars_grid(self, vectors: Tensor, items: Tensor | None = None) -> Tensor:
        """Stars that every vector gives every item: (B, d) and (m,) to (B, m); None: all items."""
        of_items = self.item_embeddings()
        of_items = of_items if items is None else of_items[items]
        weight = self.first.weight
        user_part = F.linear(vectors, weight[:, : self.vector_size])
        item_part = F.linear(of_items, weight[:, self.vector_size :], self.first.bias)
        if not len(vectors):
            return vectors.new_empty(0, len(of_items))
        # A row at a time: the activations of all pairs at once would not fit for many users.
        return torch.stack([self.read_out(self.rest(part + item_part)) for part in user_part])


def _sizes(
    n_users: int, n_items: int, user_size: int | None, item_size: int | None
) -> tuple[int, int]:
    return user_size or embedding_size(n_users), item_size or embedding_size(n_items)


class CollabNN(NetworkModel):
    """The book's ``CollabNN``: Linear, ReLU, Linear on concatenated embeddings.

    Parameters
    ----------
    n_users, n_items : int
        Rows of the tables, ``#na#`` included.
    n_hidden : int
        Width of the hidden layer.
    y_range : (float, float), optional
        Range of the output in stars; None leaves it unbounded.
    user_size, item_size : int, optional
        Lengths of the embeddings; fastai's rule of thumb where not given.
    dropout : float
        Share of the embeddings that is hidden in each training step.
    """

    name = "collab_nn"
    n_outputs = 1

    def __init__(
        self,
        n_users: int,
        n_items: int,
        n_hidden: int = 100,
        y_range: tuple[float, float] | None = None,
        user_size: int | None = None,
        item_size: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        user_size, item_size = _sizes(n_users, n_items, user_size, item_size)
        self.settings = dict(
            n_users=n_users,
            n_items=n_items,
            n_hidden=n_hidden,
            y_range=y_range,
            dropout=dropout,
            user_size=user_size,
            item_size=item_size,
        )
        self.vector_size = user_size
        self.dropout = nn.Dropout(dropout)
        self.user_factors = embedding(n_users, user_size)
        self.item_factors = embedding(n_items, item_size)
        self.layers = nn.Sequential(
            nn.Linear(user_size + item_size, n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, self.n_outputs),
        )
        self.range: nn.Module = nn.Identity() if y_range is None else SigmoidRange(*y_range)

    def tables(self) -> tuple[list[nn.Embedding], list[nn.Embedding]]:
        """The tables with one row a user, and those with one row an item."""
        return [self.user_factors], [self.item_factors]

    @property
    def first(self) -> nn.Linear:
        """The layer that reads the embeddings."""
        layer = self.layers[0]
        assert isinstance(layer, nn.Linear)
        return layer

    @property
    def rest(self) -> nn.Sequential:
        """All that follows the first layer."""
        return nn.Sequential(*list(self.layers)[1:], self.range)


class EmbeddingNN(NetworkModel):
    """fastai's ``EmbeddingNN``: ``TabularModel`` without continuous columns, same state dict.

    Parameters
    ----------
    n_users, n_items : int
        Rows of the tables, ``#na#`` included.
    layers : sequence of int
        Widths of the hidden layers.
    y_range : (float, float), optional
        Range of the output in stars; None leaves it unbounded.
    user_size, item_size : int, optional
        Lengths of the embeddings; fastai's rule of thumb where not given.
    """

    name = "embedding_nn"

    def __init__(
        self,
        n_users: int,
        n_items: int,
        layers: Sequence[int] = (100, 50),
        y_range: tuple[float, float] | None = None,
        user_size: int | None = None,
        item_size: int | None = None,
    ) -> None:
        super().__init__()
        user_size, item_size = _sizes(n_users, n_items, user_size, item_size)
        self.settings = dict(
            n_users=n_users,
            n_items=n_items,
            layers=list(layers),
            y_range=y_range,
            user_size=user_size,
            item_size=item_size,
        )
        self.vector_size = user_size
        self.dropout = nn.Identity()
        self.embeds = nn.ModuleList([embedding(n_users, user_size), embedding(n_items, item_size)])
        # fastai keeps a normalisation of no columns at all; it holds the place in the state dict.
        self.bn_cont = nn.BatchNorm1d(0)
        widths = [user_size + item_size, *layers]
        blocks: list[nn.Module] = [
            nn.Sequential(nn.Linear(n, m, bias=False), nn.ReLU(), nn.BatchNorm1d(m))
            for n, m in pairwise(widths)
        ]
        blocks.append(nn.Sequential(nn.Linear(widths[-1], 1)))
        if y_range is not None:
            blocks.append(SigmoidRange(*y_range))
        self.layers = nn.Sequential(*blocks)

    def tables(self) -> tuple[list[nn.Embedding], list[nn.Embedding]]:
        """The tables with one row a user, and those with one row an item."""
        users, items = self.embeds
        assert isinstance(users, nn.Embedding) and isinstance(items, nn.Embedding)
        return [users], [items]

    @property
    def first(self) -> nn.Linear:
        """The layer that reads the embeddings."""
        layer = self.layers[0].get_submodule("0")
        assert isinstance(layer, nn.Linear)
        return layer

    @property
    def rest(self) -> nn.Sequential:
        """All that follows the first layer."""
        return nn.Sequential(*list(self.layers[0].children())[1:], *list(self.layers)[1:])


class RatingClassifier(CollabNN):
    """`CollabNN` with one output a rating level, trained with cross-entropy.

    Stars are the mean of the predicted distribution over the levels.

    Parameters
    ----------
    n_users, n_items : int
        Rows of the tables, ``#na#`` included.
    levels : sequence of float
        The rating levels in stars, ascending.
    n_hidden : int
        Width of the hidden layer.
    user_size, item_size : int, optional
        Lengths of the embeddings; fastai's rule of thumb where not given.
    dropout : float
        Share of the embeddings that is hidden in each training step.
    """

    name = "rating_classifier"
    levels: Tensor

    def __init__(
        self,
        n_users: int,
        n_items: int,
        levels: Sequence[float],
        n_hidden: int = 100,
        user_size: int | None = None,
        item_size: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        self.n_outputs = len(levels)
        super().__init__(n_users, n_items, n_hidden, None, user_size, item_size, dropout)
        del self.settings["y_range"]
        self.settings["levels"] = [float(level) for level in levels]
        # Not part of the state dict, so it holds its numbers even in a model that is only shapes.
        levels_in_stars = torch.tensor(self.settings["levels"], device="cpu")
        self.register_buffer("levels", levels_in_stars, persistent=False)

    def read_out(self, output: Tensor) -> Tensor:
        """Stars of the network's output: (..., n_levels) to (...)."""
        return torch.softmax(output, -1) @ self.levels
