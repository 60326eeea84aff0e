"""The contract of every rating model: a user is a vector, and a vector and an item give stars."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias, TypeVar

import pandas as pd
import torch
from torch import Tensor, nn

from hf_cf.models.user_prior import UserPrior

LinearParts: TypeAlias = tuple[Tensor, Tensor | float, Callable[[Tensor], tuple[Tensor, Tensor]]]


class RatingModel(nn.Module, ABC):
    """Predicts how many stars a user gives an item.

    A subclass is its equation: `user_vectors` looks known users up, and `stars` and `stars_grid`
    answer for any vector, looked up or folded in. Items are codes; code 0 is ``#na#``. How a new
    user's vector is inferred, and how sure it is, follows from a Gaussian prior of user vectors
    (`hf_cf.models.gaussian_users`) unless a model has a posterior of its own.

    Attributes
    ----------
    name : str
        The name that ``fit(model=...)`` and ``config.json`` use.
    settings : dict
        The keyword arguments that build the same module again; plain JSON values.
    vector_size : int
        Length d of a user vector.
    has_own_prior : bool
        Whether a new user's vector follows from the model alone, without a fitted prior.
    predicts_stars : bool
        Whether there are stars to predict.
    """

    name: ClassVar[str]
    has_own_prior: ClassVar[bool] = False
    predicts_stars: ClassVar[bool] = True
    settings: dict[str, Any]
    vector_size: int

    @property
    def is_linear(self) -> bool:
        """Whether stars are linear in the user vector."""
        return False

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return self.tables()[0][0].weight.device

    @abstractmethod
    def user_vectors(self, users: Tensor) -> Tensor:
        """Vectors of known users: codes, shape (B,), to shape (B, d)."""

    @abstractmethod
    def tables(self) -> tuple[list[nn.Embedding], list[nn.Embedding]]:
        """The tables with one row a user, and those with one row an item."""

    def with_user_vectors(self, vectors: Tensor) -> RatingModel:
        """Return the same model with other users, by code: vectors of shape (n_users, d)."""
        sizes = [table.embedding_dim for table in self.tables()[0]]
        return self.with_user_tables(len(vectors), vectors.split(sizes, dim=1))

    def with_user_tables(self, n_users: int, tables: Sequence[Tensor]) -> RatingModel:
        """Return the same model with other users, from `tables` of `n_users` rows each.

        They are in the order of ``self.tables()[0]``, and not copied where they are contiguous.
        """
        names = {id(module): name for name, module in self.named_modules()}
        state = dict(self.state_dict())
        for own, table in zip(self.tables()[0], tables, strict=True):
            state[f"{names[id(own)]}.weight"] = table.contiguous()
        return rebuilt(self, {**self.settings, "n_users": n_users}, state)

    @abstractmethod
    def item_embeddings(self) -> Tensor:
        """Factors that say which items are alike, shape (n_items, k), ``#na#`` first."""

    def item_biases(self) -> Tensor | None:
        """Liking beyond taste in units of the output before its range, shape (n_items,).

        None for a model without item biases.
        """
        return None

    @abstractmethod
    def stars(self, vectors: Tensor, items: Tensor) -> Tensor:
        """Stars that each vector gives the item paired with it: (B, d) and (B,) to (B,)."""

    @abstractmethod
    def stars_grid(self, vectors: Tensor, items: Tensor | None = None) -> Tensor:
        """Stars that every vector gives every item: (B, d) and (m,) to (B, m); None: all items."""

    def stars_of_time(self, users: Tensor, times: Tensor) -> Tensor:
        """Stars that the times of ratings add for known users: codes and seconds, (B,), to (B,).

        Raises
        ------
        ValueError
            The model was trained without times.
        """
        raise ValueError(
            "this model knows nothing of times; train one on ratings with times by "
            'fit(..., model="bayesian_mf", dates=True)'
        )

    def without_times(self) -> RatingModel:
        """Return the same model without what it knows of known users' times."""
        return self

    def stars_and_gradients(self, vectors: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Stars as `stars` gives them, (B,), and their derivatives by the vectors, (B, d)."""
        # Copies, because autograd does not take tensors that inference mode has made.
        with torch.inference_mode(False), torch.enable_grad():
            vectors = vectors.detach().clone().requires_grad_(True)
            stars = self.stars(vectors, items.clone())
            # Each star depends on its own vector alone, so one backward pass gives all gradients.
            (gradients,) = torch.autograd.grad(stars.sum(), vectors)
        return stars.detach(), gradients

    def own_prior(self) -> UserPrior:
        """What a model with `has_own_prior` knows of a user before the first rating."""
        raise ValueError(f"{self.name} has no prior of its own; one is fitted to its users")

    def with_items(
        self, table: pd.DataFrame, indptr: Tensor, users: Tensor, stars: Tensor
    ) -> RatingModel:
        """Return the same model with more items, placed by what is known of them.

        Parameters
        ----------
        table : DataFrame
            The new items' rows of the catalogue, m of them.
        indptr : Tensor of int64, shape (m + 1,)
            New item j has the ratings ``indptr[j]`` to ``indptr[j + 1]``.
        users, stars : Tensors, shape (n,)
            Codes of who gave them, and the ratings.
        """
        raise ValueError(f"{self.name} cannot place items without training; bayesian_mf can")

    @abstractmethod
    def fold_in(self, prior: UserPrior, indptr: Tensor, items: Tensor, stars: Tensor) -> Tensor:
        """Vectors of users with the given ratings, (B, d).

        Parameters
        ----------
        prior : UserPrior
            What is known of the users before their first rating.
        indptr : Tensor of int64, shape (B + 1,)
            User b gave the ratings ``indptr[b]`` to ``indptr[b + 1]``.
        items, stars : Tensors, shape (n,)
            Codes of the rated items, and the ratings.
        """

    @abstractmethod
    def predictive_variance(
        self, prior: UserPrior, vector: Tensor, rated: Tensor, items: Tensor
    ) -> Tensor:
        """Variance of a user's ratings around their predictions, in squared stars, (m,)."""

    @abstractmethod
    def posterior_gradients(
        self, prior: UserPrior, vector: Tensor, rated: Tensor, items: Tensor
    ) -> Tensor:
        """Gradients of a user's stars in coordinates in which their posterior is N(0, I).

        In standard deviations of a rating's noise: the squares of an item's, (m, any), add up to
        the variance of its stars, and products of two items' to their covariance.
        """

    @abstractmethod
    def effects(
        self,
        prior: UserPrior,
        rated: Tensor,
        stars: Tensor,
        items: Tensor,
        vector: Tensor | None = None,
    ) -> Tensor:
        """How far each rating of a user moves the stars of each item, (m, n).

        `vector` is the user's, as `fold_in` infers it; it is inferred where not given.
        """

    def linear_parts(self, items: Tensor) -> LinearParts | None:
        """Gradients, constants and link, where stars are a link of a linear function of the user.

        ``stars = link(inner @ vector + fixed)``, with `inner`, (n, d), and `fixed`, (n,), of the
        items, (n,). The link gives the stars and its derivatives, both (n,). None for a model that
        is not like this.
        """
        return None

    def seen_from(
        self, mean: Tensor, root: Tensor, items: Tensor
    ) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """Stars and gradients of items in coordinates in which a user vector is ``mean + root z``.

        Parameters
        ----------
        mean : Tensor, shape (d,) or (n, d)
        root : Tensor, shape (d, d)
        items : Tensor of int64, shape (n,)

        Returns
        -------
        callable
            From z, shape (n, d), one row an item, to stars, (n,), and gradients in z, (n, d).
        """

        def look(z: Tensor) -> tuple[Tensor, Tensor]:
            stars, gradients = self.stars_and_gradients(mean + z @ root.T, items)
            return stars, gradients @ root

        return look

    def forward(self, pairs: Tensor) -> Tensor:
        """Stars of (user, item) codes: shape (B, 2) to (B,)."""
        return self.stars(self.user_vectors(pairs[:, 0]), pairs[:, 1])

    def training_output(self, pairs: Tensor) -> Tensor:
        """What the loss is computed from; the stars unless a model has something richer."""
        return self.forward(pairs)

    def read_out(self, output: Tensor) -> Tensor:
        """Stars of what `training_output` gives."""
        return output


Model = TypeVar("Model", bound=nn.Module)


def rebuilt(model: Model, settings: dict[str, Any], state: dict[str, Tensor]) -> Model:
    """Build a model of the same class with other settings and tensors, in evaluation mode."""
    with torch.device("meta"):
        other = type(model)(**settings)
    other.load_state_dict(state, assign=True)
    return other.eval().requires_grad_(False)


class SigmoidRange(nn.Module):
    """Squeezes a number into a range: ``sigmoid(x) * (high - low) + low``."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        """Apply elementwise, any shape."""
        return torch.sigmoid(x) * (self.high - self.low) + self.low


def embedding(rows: int, size: int) -> nn.Embedding:
    """Build an embedding that starts as fastai's do: normal, cut at two deviations, times 0.01."""
    weight = torch.empty(rows, size)
    if weight.is_meta:
        # Only shapes are needed, and random numbers on that device would import half of PyTorch.
        return nn.Embedding(rows, size, _weight=weight)
    layer = nn.Embedding(rows, size)
    with torch.no_grad():
        layer.weight.normal_().fmod_(2).mul_(0.01)
    return layer


def embedding_size(categories: int) -> int:
    """Size of an embedding by fastai's rule of thumb: ``min(600, 1.6 * n ** 0.56)``."""
    return min(600, round(1.6 * categories**0.56))
