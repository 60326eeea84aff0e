"""Models in which stars are a dot product of user and item factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding as embedding_of

from hf_cf.models.base import LinearParts, embedding
from hf_cf.models.gaussian_users import GaussianUsersModel


class DotModel(GaussianUsersModel):
    """Stars linear in the user vector, through a sigmoid where a range is set.

    ``stars = range(user_factors . item_factors [+ user_bias + item_bias])``. A user vector is the
    user's factors, followed by the bias where there is one. Subclasses name the tables.

    Parameters
    ----------
    n_users, n_items : int
        Rows of the tables, ``#na#`` included.
    n_factors : int
        Length of a factor vector.
    y_range : (float, float), optional
        Range of the output in stars; None leaves it unbounded.
    """

    factor_tables: ClassVar[tuple[str, str]] = ("user_factors", "item_factors")
    bias_tables: ClassVar[tuple[str, str] | None] = None

    def __init__(
        self,
        n_users: int,
        n_items: int,
        n_factors: int = 50,
        y_range: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.settings = dict(n_users=n_users, n_items=n_items, n_factors=n_factors, y_range=y_range)
        self.y_range = y_range
        self.vector_size = n_factors + (self.bias_tables is not None)
        for name, rows in zip(self.factor_tables, (n_users, n_items), strict=True):
            self.add_module(name, embedding(rows, n_factors))
        for name, rows in zip(self.bias_tables or (), (n_users, n_items), strict=False):
            self.add_module(name, embedding(rows, 1))

    def tables(self) -> tuple[list[nn.Embedding], list[nn.Embedding]]:
        """The tables with one row a user, and those with one row an item."""
        names = [self.factor_tables] + ([self.bias_tables] if self.bias_tables else [])
        users, items = zip(*names, strict=True)
        return [getattr(self, name) for name in users], [getattr(self, name) for name in items]

    @property
    def is_linear(self) -> bool:
        """Whether stars are linear in the user vector: without an output range."""
        return self.y_range is None

    def user_vectors(self, users: Tensor) -> Tensor:
        """Vectors of known users: codes, shape (B,), to shape (B, d)."""
        return torch.cat([table(users) for table in self.tables()[0]], 1)

    def item_embeddings(self) -> Tensor:
        """Factors that say which items are alike, shape (n_items, k), ``#na#`` first."""
        return getattr(self, self.factor_tables[1]).weight

    def item_biases(self) -> Tensor | None:
        """Liking beyond taste before the range is applied, shape (n_items,)."""
        return None if self.bias_tables is None else getattr(self, self.bias_tables[1]).weight[:, 0]

    def item_vectors(self, items: Tensor | None = None) -> Tensor:
        """What a user vector is multiplied with: codes (m,), or all items, to (m, d)."""
        factors = self.item_embeddings()
        factors = factors if items is None else factors.index_select(0, items)
        if self.bias_tables is None:
            return factors
        return torch.cat([factors, factors.new_ones(len(factors), 1)], 1)

    def stars(self, vectors: Tensor, items: Tensor) -> Tensor:
        """Stars that each vector gives the item paired with it: (B, d) and (B,) to (B,)."""
        factors = embedding_of(items, self.item_embeddings())
        dot = (vectors[:, : factors.shape[1]] * factors).sum(1)
        if self.bias_tables is not None:
            biases = getattr(self, self.bias_tables[1]).weight
            dot = dot + vectors[:, -1] + embedding_of(items, biases)[:, 0]
        return self._ranged(dot)

    def stars_grid(self, vectors: Tensor, items: Tensor | None = None) -> Tensor:
        """Stars that every vector gives every item: (B, d) and (m,) to (B, m); None: all items."""
        factors = self.item_embeddings()
        factors = factors if items is None else factors.index_select(0, items)
        dot = vectors[:, : factors.shape[1]] @ factors.T
        biases = self.item_biases()
        if biases is not None:
            dot = (
                dot + vectors[:, -1:] + (biases if items is None else biases.index_select(0, items))
            )
        return self._ranged(dot)

    def stars_and_gradients(self, vectors: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Stars as `stars` gives them, (B,), and their derivatives by the vectors, (B, d)."""
        inner, fixed, link = self.linear_parts(items)
        stars, gradients = link((vectors * inner).sum(1) + fixed)
        return stars, gradients[:, None] * inner

    def linear_parts(self, items: Tensor) -> LinearParts:
        """Item vectors, item biases, and the range."""
        biases = self.item_biases()
        return (
            self.item_vectors(items),
            0.0 if biases is None else biases.index_select(0, items),
            self._linked,
        )

    def seen_from(
        self, mean: Tensor, root: Tensor, items: Tensor
    ) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """Stars and gradients in other coordinates: the products with the items are taken once."""
        inner, fixed, link = self.linear_parts(items)
        fixed = (inner * mean).sum(1) + fixed
        turned = inner @ root

        def look(z: Tensor) -> tuple[Tensor, Tensor]:
            stars, gradients = link((turned * z).sum(1) + fixed)
            return stars, gradients[:, None] * turned

        return look

    def _linked(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Stars and their derivatives by what `_ranged` takes."""
        if self.y_range is None:
            return self._ranged(x), torch.ones_like(x)
        low, high = self.y_range
        above = torch.sigmoid(x) * (high - low)
        return above + low, torch.addcmul(above, above, above, value=-1 / (high - low))

    def _ranged(self, x: Tensor) -> Tensor:
        if self.y_range is None:
            return x
        low, high = self.y_range
        return torch.sigmoid(x) * (high - low) + low


class DotProduct(DotModel):
    """Dot product of user and item factors."""

    name = "dot_product"


class DotProductBias(DotModel):
    """Dot product of user and item factors, plus one bias a user and one an item."""

    name = "dot_product_bias"
    bias_tables = ("user_bias", "item_bias")


class EmbeddingDotBias(DotModel):
    """fastai's ``EmbeddingDotBias``, the model of ``collab_learner``, with fastai's state dict."""

    name = "collab_learner"
    factor_tables = ("u_weight", "i_weight")
    bias_tables = ("u_bias", "i_bias")


class BiasedFactorization(DotProductBias):
    """Dot product of factors, plus biases, plus the mean rating: linear in the user vector.

    Fitted by alternating least squares.

    Attributes
    ----------
    mean : Tensor, shape ()
        Mean of the training ratings, in stars.
    """

    name = "als"
    mean: Tensor

    def __init__(self, n_users: int, n_items: int, n_factors: int = 20) -> None:
        super().__init__(n_users, n_items, n_factors)
        del self.settings["y_range"]
        self.register_buffer("mean", torch.tensor(0.0))

    def _ranged(self, x: Tensor) -> Tensor:
        return x + self.mean
