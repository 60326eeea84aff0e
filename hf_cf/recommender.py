"""What a user of hf_cf meets: a trained model that predicts, recommends, is saved and loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hf_cf.catalogue import Catalogue
from hf_cf.errors import UnknownUser
from hf_cf.facts import TrainingFacts
from hf_cf.history import History
from hf_cf.model_folder import ModelFolder
from hf_cf.models import RatingModel, UserPrior, fold_in
from hf_cf.persistence import parts_of, to_model_folder
from hf_cf.ratings import Codes, DataSource, Ratings, RatingScale, Vocab
from hf_cf.visitors import VisitorRatings, visitor_codes

_GRID_CELLS = 20_000_000  # predictions held at once: 80 MB


class Recommender:
    """A trained rating model with its vocabularies, catalogue and the users' histories.

    A user is a vector: a known user's is looked up, a visitor's is inferred from the ratings they
    give, and everything after that is the same for both. Users are named by raw id; items by raw
    id or by title, and ids that arrive as text find integer ids.

    Parameters
    ----------
    model : RatingModel
        Predicts stars; in evaluation mode.
    prior : UserPrior
        What is known of a user before their first rating.
    users, items : Vocab
        Raw ids and codes.
    catalogue : DataFrame
        One row an item, indexed by code: ``id``, ``title``, ``n_ratings`` and what else is known.
    history : History, optional
        Who rated what, for leaving out what a user has seen.
    scale : RatingScale
        The values a rating can take.
    source : DataSource
        The data that the model was trained on.
    facts : TrainingFacts
        Settings, metrics and versions.

    Examples
    --------
    >>> import hf_cf
    >>> from hf_cf.training import fit
    >>> train, valid = hf_cf.load_ratings("sample").split(seed=42)
    >>> rec = fit(train, valid=valid, progress=False)
    >>> list(rec.recommend(ratings={"Alien (1979)": 5, "Blade Runner (1982)": 5}, n=3))
    ['item', 'title', 'stars', 'score']
    """

    def __init__(
        self,
        model: RatingModel,
        prior: UserPrior,
        *,
        users: Vocab,
        items: Vocab,
        catalogue: pd.DataFrame,
        history: History | None = None,
        scale: RatingScale,
        source: DataSource | None = None,
        facts: TrainingFacts | None = None,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.prior = prior
        self.users, self.items = users, items
        self.history = history
        self.scale = scale
        self.source = source or DataSource()
        self.facts = facts or TrainingFacts()
        self._catalogue = Catalogue(items, catalogue)

    def __repr__(self) -> str:
        return (
            f"Recommender({self.model.name} trained on {self.source.name}: "
            f"{len(self.users) - 1:,} users, {len(self.items) - 1:,} items)"
        )

    @property
    def catalogue(self) -> pd.DataFrame:
        """One row an item, indexed by code: ``id``, ``title``, ``n_ratings``, and what is known."""
        return self._catalogue.table

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the finished model: ``valid_mse``, ``valid_rmse``, ``valid_mae``, ..."""
        return self.facts.metrics

    # What it answers

    def predict(
        self, users: Any = None, items: Any = None, *, ratings: VisitorRatings | None = None
    ) -> Any:
        """Predict how many stars users give items.

        Parameters
        ----------
        users : id or array_like of ids, shape (n,)
            Known users; a single one is asked about every item. Left out for a visitor.
        items : id, title or array_like of them, shape (n,)
            Items, one beside each user.
        ratings : mapping, pairs or DataFrame, optional
            A visitor's ratings, in place of `users`.

        Returns
        -------
        float32 array, shape (n,), or float
            Stars within the rating scale; a float for a single user and a single item.

        Raises
        ------
        UnknownUser, UnknownItem
            The model does not have the id or title.
        """
        if items is None or (users is None) == (ratings is None):
            raise ValueError("give items, and either users or ratings=")
        scalar = _is_single(items)
        codes = self._catalogue.codes([items] if scalar else items)
        if ratings is None:
            single_user = _is_single(users)
            vectors = self._known([users] if single_user else users)[0]
            scalar = scalar and single_user
        else:
            vectors = self._visitor(ratings)[0]
        if len(vectors) not in (1, len(codes)):
            raise ValueError(f"{len(vectors)} users and {len(codes)} items: give one item a user")
        stars = self.model.stars(vectors.expand(len(codes), -1), torch.from_numpy(codes).long())
        clipped = self._clip(stars).numpy()
        return float(clipped[0]) if scalar else clipped

    def recommend(
        self,
        user: Any = None,
        *,
        ratings: VisitorRatings | None = None,
        n: int = 10,
        include_rated: bool = False,
    ) -> pd.DataFrame:
        """Recommend items to known users or to a visitor.

        Parameters
        ----------
        user : id or array_like of ids, optional
            A known user, or several.
        ratings : mapping, pairs or DataFrame, optional
            A visitor's ratings; empty for somebody of whom nothing is known.
        n : int
            Items a user; fewer where the catalogue has no more.
        include_rated : bool
            Whether items may appear that the user has rated.

        Returns
        -------
        DataFrame
            Best first: ``item`` (raw id), ``title``, ``stars`` (predicted, within the scale),
            ``score`` (what the order follows). With several users a first column ``user``.

        Raises
        ------
        UnknownUser, UnknownItem
            The model does not have the id or title.
        """
        if (user is None) == (ratings is None):
            raise ValueError("give either a user or ratings=")
        if n < 1:
            raise ValueError(f"n is {n}; it must be at least 1")
        if ratings is not None:
            people, (vectors, rated) = [None], self._visitor(ratings)
        else:
            people = [user] if _is_single(user) else list(user)
            vectors, rated = self._known(people)
        tables = []
        block = max(1, _GRID_CELLS // len(self.items))
        for start in range(0, len(people), block):
            stop = start + block
            hidden = [] if include_rated else rated[start:stop]
            tables.append(self._top(people[start:stop], vectors[start:stop], hidden, n))
        table = pd.concat(tables, ignore_index=True)
        return table.drop(columns="user") if ratings is not None or _is_single(user) else table

    def similar(self, item: Any, n: int = 10) -> pd.DataFrame:
        """Find the items most like one, by the cosine of their factors.

        Returns
        -------
        DataFrame
            Best first: ``item``, ``title``, ``similarity`` (-1 to 1).
        """
        code = int(self._catalogue.codes([item])[0])
        factors = torch.nn.functional.normalize(self.model.item_embeddings(), dim=1)
        similarity = factors @ factors[code]
        similarity[[0, code]] = -torch.inf
        best = similarity.topk(min(n, len(self.items) - 2))
        table = self._catalogue.describe(best.indices.numpy())
        return table.assign(similarity=best.values.numpy())

    def find(self, text: str, n: int = 5) -> pd.DataFrame:
        """Find items by title as people type it: misspelt, in part, without its year.

        Returns
        -------
        DataFrame
            Rows of the catalogue, best first, and ``likeness`` (0 to 100); empty if none is near.
        """
        return self._catalogue.find(text, n)

    def item_bias(self) -> pd.DataFrame:
        """Rank items by how much they are liked beyond what taste explains.

        That is the item's bias where the model has one, before its output range is applied;
        otherwise the stars that the average user would give, less their mean over the items.

        Returns
        -------
        DataFrame
            Most liked first: ``item``, ``title``, ``bias``, ``n_ratings``.
        """
        biases = self.model.item_biases()
        if biases is None:
            stars = self.model.stars_grid(self.prior.mean[None])[0]
            biases = stars - stars[1:].mean()
        order = torch.argsort(biases[1:], descending=True, stable=True) + 1
        table = self._catalogue.describe(order.numpy()).assign(bias=biases[order].numpy())
        return table.assign(n_ratings=self._catalogue.n_ratings[order.numpy() - 1])

    def item_map(self, n: int = 3, most_rated: int = 1000) -> pd.DataFrame:
        """Place the most rated items in few dimensions, so that like items are near.

        Parameters
        ----------
        n : int
            Principal components of the items' factors.
        most_rated : int
            Items to place.

        Returns
        -------
        DataFrame
            Most rated first: ``item``, ``title``, ``n_ratings``, ``x1`` to ``xn``, the
            coordinates on the principal components, widest first.
        """
        counts = self._catalogue.n_ratings
        codes = np.argsort(-counts, kind="stable")[:most_rated] + 1
        factors = self.model.item_embeddings()[torch.from_numpy(codes)].double()
        factors = factors - factors.mean(0)
        _, _, axes = torch.linalg.svd(factors, full_matrices=False)
        # The sign of a component means nothing; the largest loading is made positive.
        largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
        places = (factors @ (axes * largest.sign())[:n].T).float().numpy()
        table = self._catalogue.describe(codes).assign(n_ratings=counts[codes - 1])
        return table.assign(**{f"x{i + 1}": places[:, i] for i in range(places.shape[1])})

    # Where it comes from and goes to

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model to a folder: safetensors, Parquet and JSON, nothing pickled."""
        to_model_folder(self).write(folder)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Recommender:
        """Load a model from a folder.

        Raises
        ------
        ModelFormatError
            A file is missing or broken, or does not fit the others.
        """
        return cls(**parts_of(ModelFolder.read(folder), folder))

    @classmethod
    def from_parts(
        cls,
        model: RatingModel,
        ratings: Ratings,
        *,
        noise: float,
        facts: TrainingFacts | None = None,
    ) -> Recommender:
        """Put a trained model and the ratings that it was trained on together.

        Parameters
        ----------
        model : RatingModel
            Trained on `ratings`, so that its rows follow their vocabularies.
        ratings : Ratings
            Become the histories, and tell which users the prior is fitted to.
        noise : float
            Variance of a rating around its prediction, in squared stars.
        facts : TrainingFacts, optional
            Settings, metrics and versions.
        """
        trained = np.flatnonzero(ratings.user_counts()[1:]) + 1
        with torch.no_grad():
            vectors = model.user_vectors(torch.from_numpy(trained))
        return cls(
            model,
            UserPrior.from_vectors(vectors, noise),
            users=ratings.users,
            items=ratings.items,
            catalogue=ratings.catalogue.assign(n_ratings=ratings.item_counts()[1:]),
            history=History.from_ratings(ratings),
            scale=ratings.scale,
            source=ratings.source,
            facts=facts,
        )

    # Names to codes, people to vectors

    def _known(self, raw: Any) -> tuple[Tensor, list[Codes]]:
        raw = list(raw)
        codes = self.users.encode(pd.Index(raw, dtype=object))
        if (codes == 0).any():
            unknown = raw[int((codes == 0).argmax())]
            raise UnknownUser(
                f"there is no user {unknown!r} among the {len(self.users) - 1:,} that the model "
                "was trained on; serve somebody new with ratings="
            )
        rated = [] if self.history is None else [self.history.of(code)[0] for code in codes]
        return self.model.user_vectors(torch.from_numpy(codes).long()), rated

    def _visitor(self, ratings: VisitorRatings) -> tuple[Tensor, list[Codes]]:
        codes, stars = visitor_codes(ratings, self._catalogue, self.scale)
        vector = fold_in(
            self.model, self.prior, torch.from_numpy(codes).long(), torch.from_numpy(stars)
        )
        return vector[None], [codes]

    # Answers to tables

    def _top(
        self, people: Sequence[Any], vectors: Tensor, hidden: Sequence[Codes], n: int
    ) -> pd.DataFrame:
        scores = self.model.stars_grid(vectors)
        scores[:, 0] = -torch.inf
        for row, codes in enumerate(hidden):
            scores[row, torch.from_numpy(codes).long()] = -torch.inf
        best = scores.topk(min(n, len(self.items) - 1))
        shown = torch.isfinite(best.values)
        values = best.values[shown]
        table = self._catalogue.describe(best.indices[shown].numpy())
        rows = torch.nonzero(shown)[:, 0].tolist()
        table.insert(0, "user", [people[row] for row in rows])
        return table.assign(stars=self._clip(values).numpy(), score=values.numpy())

    def _clip(self, stars: Tensor) -> Tensor:
        return stars.clamp(self.scale.min, self.scale.max)


def _is_single(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or np.ndim(value) == 0
