"""What a user of hf_cf meets: a trained model that predicts, recommends, is saved and loaded."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hf_cf.catalogue import Catalogue, plain_ids
from hf_cf.datasets.layouts import DATASETS
from hf_cf.errors import UnknownUser
from hf_cf.facts import TrainingFacts
from hf_cf.fastai_learner import read_model, read_ratings
from hf_cf.filters import Filters
from hf_cf.history import History
from hf_cf.hub import local_folder, table_of_files, upload, writing_token
from hf_cf.models import RankingHead, RatingModel, UserPrior, effects, fold_in, stars_variance
from hf_cf.persistence import StoredType, parts_of, to_model_folder
from hf_cf.ratings import Codes, DataSource, Ratings, RatingScale, Vocab
from hf_cf.top_n import Choice, choose
from hf_cf.visitors import OnUnknown, VisitorRatings, visitors_history

_GRID_CELLS = 4_000_000  # scores held at once: 16 MB


@dataclass(frozen=True)
class People:
    """Users as both heads see them, wherever their vectors came from.

    Attributes
    ----------
    rating : Tensor, shape (B, d)
        Vectors of the rating model.
    ranking : Tensor, shape (B, k), optional
        Vectors of the ranking head.
    rated : list of int32 arrays
        Codes of what each has rated; empty where that is not known.
    """

    rating: Tensor
    ranking: Tensor | None
    rated: list[Codes]


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
    ranking : RankingHead, optional
        Orders recommendations; without it they are ordered by predicted stars.
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
    pictures : mapping of str to bytes
        PNGs for the model card, by file name.

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
        ranking: RankingHead | None = None,
        *,
        users: Vocab,
        items: Vocab,
        catalogue: pd.DataFrame,
        history: History | None = None,
        scale: RatingScale,
        source: DataSource | None = None,
        facts: TrainingFacts | None = None,
        pictures: Mapping[str, bytes] | None = None,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.prior, self.ranking = prior, ranking
        self.users, self.items = users, items
        self.history = history
        self.scale = scale
        self.source = source or DataSource()
        self.facts = facts or TrainingFacts()
        self._pictures = dict(pictures or {})
        self._draw: Callable[[Recommender], dict[str, bytes]] | None = None
        self._said_history_is_missing = False
        self._catalogue = Catalogue(items, catalogue)
        counts = np.concatenate([[0], self._catalogue.n_ratings])
        self._log_popularity = torch.from_numpy(np.log1p(counts)).float()

    def __repr__(self) -> str:
        return (
            f"Recommender({self.model.name} trained on {self.source.name}: "
            f"{len(self.users) - 1:,} users, {len(self.items) - 1:,} items)"
        )

    @property
    def users_at_once(self) -> int:
        """How many users are scored together: as many as keep the scores within 16 MB."""
        users = max(1, _GRID_CELLS // len(self.items))
        return users if users < 32 else users // 32 * 32  # whole tiles of a matrix product

    @property
    def catalogue(self) -> pd.DataFrame:
        """One row an item, indexed by code: ``id``, ``title``, ``n_ratings``, and what is known."""
        return self._catalogue.table

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the finished model: ``valid_mse``, ``valid_rmse``, ``valid_mae``, ..."""
        return self.facts.metrics

    @property
    def pictures(self) -> dict[str, bytes]:
        """PNGs for the model card, by file name."""
        if self._draw is not None:
            self._pictures, self._draw = self._draw(self), None
        return self._pictures

    def draw_later(self, draw: Callable[[Recommender], dict[str, bytes]]) -> None:
        """Take over a function that draws the pictures when they are first asked for."""
        self._draw = draw

    # What it answers

    def predict(
        self,
        users: Any = None,
        items: Any = None,
        *,
        ratings: VisitorRatings | None = None,
        return_std: bool = False,
        on_unknown: OnUnknown = "raise",
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
        return_std : bool
            Whether to return standard deviations, too: how far the user's own rating is expected
            to be from the prediction. A known user's needs the history.
        on_unknown : {"raise", "skip"}
            What to do with a visitor's rating of an item that the catalogue does not have.

        Returns
        -------
        float32 array, shape (n,), or float
            Stars within the rating scale; a float for a single user and a single item. With
            `return_std` a pair: stars and standard deviations in stars.

        Raises
        ------
        UnknownUser, UnknownItem
            The model does not have the id or title.
        ValueError
            Standard deviations are asked for, and the model has no estimate of the noise of a
            rating, or no history of known users.
        """
        if items is None or (users is None) == (ratings is None):
            raise ValueError("give items, and either users or ratings=")
        scalar = _is_single(items)
        codes = self._catalogue.codes([items] if scalar else items)
        if ratings is None:
            single_user = _is_single(users)
            people = self._known([users] if single_user else users)
            scalar = scalar and single_user
        else:
            people = self._one_visitor(ratings, on_unknown)
        vectors = people.rating
        if len(vectors) not in (1, len(codes)):
            raise ValueError(f"{len(vectors)} users and {len(codes)} items: give one item a user")
        rows = self._rows(codes)
        stars = self._clip(self.model.stars(vectors.expand(len(codes), -1), rows))
        answers: list[Any] = [stars.numpy(force=True)]
        if return_std:
            answers.append(self._deviations(people, rows).numpy(force=True))
        if scalar:
            answers = [float(answer[0]) for answer in answers]
        return tuple(answers) if return_std else answers[0]

    def recommend(
        self,
        user: Any = None,
        *,
        ratings: VisitorRatings | None = None,
        n: int = 10,
        order_by: Literal["score", "stars"] = "score",
        genres: Sequence[str] = (),
        years: tuple[int, int] | None = None,
        exclude: Sequence[Any] = (),
        min_ratings: int = 0,
        novelty: float = 0.0,
        diversity: float = 0.0,
        include_rated: bool = False,
        on_unknown: OnUnknown = "raise",
    ) -> pd.DataFrame:
        """Recommend items to known users or to visitors.

        Parameters
        ----------
        user : id or array_like of ids, optional
            A known user, or several.
        ratings : mapping, pairs or DataFrame, optional
            A visitor's ratings; empty for somebody of whom nothing is known. A DataFrame with a
            column ``user`` beside ``item`` and ``rating`` holds those of several visitors.
        n : int
            Items a user; fewer where no more pass the filters.
        order_by : {"score", "stars"}
            The ranking head's order, what people of that taste choose and like; or the order of
            the predicted stars, which puts the rarely seen first.
        genres, years, exclude, min_ratings
            Which items may appear; see `hf_cf.filters.Filters`.
        novelty : float
            From 0 to 1: how much the well known gives way to the less known; see
            `hf_cf.top_n`.
        diversity : float
            From 0 to 1: how much likeness among the items shown is avoided; see
            `hf_cf.top_n`.
        include_rated : bool
            Whether items may appear that the user has rated.
        on_unknown : {"raise", "skip"}
            What to do with a visitor's rating of an item that the catalogue does not have.

        Returns
        -------
        DataFrame
            Best first: ``item`` (raw id), ``title``, ``stars`` (predicted, within the scale),
            ``score`` (what the order follows). With several users a first column ``user``.

        Raises
        ------
        UnknownUser, UnknownItem
            The model does not have the id or title.
        ValueError
            A parameter is out of its range.
        """
        if (user is None) == (ratings is None):
            raise ValueError("give either a user or ratings=")
        if n < 1:
            raise ValueError(f"n is {n}; it must be at least 1")
        choice = Choice(order_by, novelty, diversity)
        filters = Filters(genres, years, exclude, min_ratings)
        hidden = torch.from_numpy(filters.hidden(self._catalogue))
        given = None
        if ratings is None:
            single = _is_single(user)
            names = [user] if single else list(user)
            known = self._known_codes(names)
        else:
            visitors, given = visitors_history(ratings, self._catalogue, self.scale, on_unknown)
            single = visitors is None
            names = [None] if visitors is None else visitors
        found: list[tuple[Tensor, ...]] = []
        # One block's scores take the place of the last one's: memory that is touched for the first
        # time costs more than the scores.
        room = torch.empty(min(len(names), self.users_at_once), len(self.items))
        for start in range(0, max(1, len(names)), self.users_at_once):
            part = np.arange(start, min(start + self.users_at_once, len(names)))
            people = (
                self._of_codes(known[part]) if given is None else self._visitors(given.take(part))
            )
            if include_rated:
                people = replace(people, rated=[])
            elif ratings is None:
                self._say_history_is_missing()
            rows, items, score = self._choose(people, n, choice, hidden, room)
            stars = self._clip(self.model.stars(people.rating[rows], items))
            found.append((rows + start, items, stars, score))
        row, code, predicted, scored = (
            torch.cat(parts).numpy(force=True) for parts in zip(*found, strict=True)
        )
        table = self._catalogue.describe(code).assign(stars=predicted, score=scored)
        if not single:
            table.insert(0, "user", pd.Series(plain_ids(names)).to_numpy()[row])
        return table

    def explain(
        self,
        item: Any,
        user: Any = None,
        *,
        ratings: VisitorRatings | None = None,
        n: int = 3,
        on_unknown: OnUnknown = "raise",
    ) -> pd.DataFrame:
        """Say which of somebody's ratings moved the predicted stars of an item most.

        Parameters
        ----------
        item : id or title
            The item that is predicted.
        user : id, optional
            A known user, whose history the model has. Their effects are those on the vector that
            the history implies, which is near the trained one.
        ratings : mapping, pairs or DataFrame, optional
            A visitor's ratings, in place of `user`.
        n : int
            Ratings to name; fewer where fewer were given.
        on_unknown : {"raise", "skip"}
            What to do with a visitor's rating of an item that the catalogue does not have.

        Returns
        -------
        DataFrame
            Largest effect first: ``item``, ``title``, ``rating`` (as it was given), ``effect``
            (in stars, up or down; see `hf_cf.models.effects`), ``text`` ("because you gave Heat
            (1995) 5 stars").

        Raises
        ------
        UnknownUser, UnknownItem
            The model does not have the id or title.
        ValueError
            A known user is asked about without a history.
        """
        if (user is None) == (ratings is None):
            raise ValueError("give either a user or ratings=")
        if n < 1:
            raise ValueError(f"n is {n}; it must be at least 1")
        target = self._rows(self._catalogue.codes([item]))
        if ratings is not None:
            names, given = visitors_history(ratings, self._catalogue, self.scale, on_unknown)
            _demand_one(names)
        elif self.history is None:
            raise ValueError("give the model its history first, with rec.attach_history")
        else:
            given = self.history.take(self._known_codes([user]))
        codes, stars = given.of(0)
        on_device = torch.from_numpy(stars).to(self.prior.mean.device)
        moved = effects(self.model, self.prior, self._rows(codes), on_device, target)
        order = moved.abs().argsort(descending=True, stable=True)[:n].numpy(force=True)
        table = self._catalogue.describe(codes[order])
        table = table.assign(rating=stars[order], effect=moved.numpy(force=True)[order])
        said = zip(table["title"], table["rating"], strict=True)
        return table.assign(
            text=[
                f"because you gave {title} {rating:g} star{'s' * (rating != 1)}"
                for title, rating in said
            ]
        )

    def similar(self, item: Any, n: int = 10) -> pd.DataFrame:
        """Find the items most like one, by the cosine of their vectors.

        They are the ranking head's vectors where the model has one: items are alike that the same
        people choose and like. Otherwise they are the rating model's factors.

        Returns
        -------
        DataFrame
            Best first: ``item``, ``title``, ``similarity`` (-1 to 1).
        """
        if n < 1:
            raise ValueError(f"n is {n}; it must be at least 1")
        code = int(self._catalogue.codes([item])[0])
        factors = torch.nn.functional.normalize(self._item_vectors(), dim=1)
        similarity = factors @ factors[code]
        similarity[[0, code]] = -torch.inf
        best = similarity.topk(min(n, len(self.items) - 2))
        table = self._catalogue.describe(best.indices.numpy(force=True))
        return table.assign(similarity=best.values.numpy(force=True))

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
        biases = biases.cpu()
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
        factors = self.model.item_embeddings()[torch.from_numpy(codes)].double().cpu()
        factors = factors - factors.mean(0)
        _, _, axes = torch.linalg.svd(factors, full_matrices=False)
        # The sign of a component means nothing; the largest loading is made positive.
        largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
        places = (factors @ (axes * largest.sign())[:n].T).float().numpy()
        table = self._catalogue.describe(codes).assign(n_ratings=counts[codes - 1])
        return table.assign(**{f"x{i + 1}": places[:, i] for i in range(places.shape[1])})

    # Whom it knows

    def add_users(self, ratings: pd.DataFrame) -> Recommender:
        """Make visitors known users, without training.

        Parameters
        ----------
        ratings : DataFrame
            ``user``, ``item``, ``rating``: raw ids that the model does not have yet, and what
            they rated, as `recommend` takes it.

        Returns
        -------
        Recommender
            A new one, which can be saved and pushed; this one stays as it is. Without a history
            it has none either.

        Raises
        ------
        UnknownItem
            The model does not have an item.
        ValueError
            A user is known already, or a rating is outside the scale.
        """
        names, given = self._several(ratings)
        known = self.users.encode(pd.Index(names, dtype=object)) > 0
        if known.any():
            name = names[int(known.argmax())]
            raise ValueError(f"the model knows the user {name!r} already; refresh with rec.update")
        users = Vocab([*self.users.ids.tolist(), *names])
        codes = np.arange(len(self.users), len(users), dtype=np.int32)
        history = self.history and self.history.updated(codes, given, len(users))
        return self._with_people(users, codes, self._visitors(given), history)

    def update(self, ratings: pd.DataFrame) -> Recommender:
        """Refresh known users after new ratings, without training.

        A user's vectors are inferred again, from their history and the new ratings together; a
        new rating of an item replaces the old one.

        Parameters
        ----------
        ratings : DataFrame
            ``user``, ``item``, ``rating``, as for `add_users`, of known users.

        Returns
        -------
        Recommender
            A new one, which can be saved and pushed; this one stays as it is.

        Raises
        ------
        UnknownUser, UnknownItem
            The model does not have the id or title.
        ValueError
            The model has no history, or a rating is outside the scale.
        """
        names, given = self._several(ratings)
        codes = self._known_codes(names)
        if self.history is None:
            raise ValueError("give the model its history first, with rec.attach_history")
        history = self.history.updated(codes, given, len(self.users))
        return self._with_people(self.users, codes, self._visitors(history.take(codes)), history)

    def _several(self, ratings: pd.DataFrame) -> tuple[list[Any], History]:
        names, given = visitors_history(ratings, self._catalogue, self.scale)
        if names is None:
            raise ValueError("ratings are a table with the columns user, item and rating")
        return names, given

    def _with_people(
        self, users: Vocab, codes: Codes, people: People, history: History | None
    ) -> Recommender:
        """The same model with the vectors of some user codes, old or new ones, replaced."""
        rows = self._rows(codes)

        def replaced(old: Tensor, new: Tensor) -> Tensor:
            whole = old.new_empty(len(users), old.shape[1])
            whole[: len(old)] = old
            whole[rows] = new
            return whole

        known = torch.arange(len(self.users), device=rows.device)
        vectors = replaced(self.model.user_vectors(known), people.rating)
        ranking = self.ranking
        if ranking is not None and people.ranking is not None:
            ranking = RankingHead(ranking.model, replaced(ranking.user_vectors, people.ranking))
        changed = Recommender(
            self.model.with_user_vectors(vectors), self.prior, ranking,
            users=users, items=self.items, catalogue=self.catalogue, history=history,
            scale=self.scale, source=self.source, facts=self.facts, pictures=self.pictures,
        )  # fmt: skip
        return changed.to(rows.device)

    # Where it comes from and goes to

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        include_history: bool | None = None,
        include_users: bool = True,
        dtype: StoredType = "float32",
    ) -> None:
        """Write the model to a folder: safetensors, Parquet, JSON and a card, nothing pickled.

        Parameters
        ----------
        folder : str or Path
            Created where it does not exist; a model that is there is replaced.
        include_history : bool, optional
            Whether to keep who rated what, for leaving out what a user has seen. Where not given,
            it is kept if the data may be redistributed.
        include_users : bool
            Whether to keep the known users; without them the model serves visitors only.
        dtype : {"float32", "float16"}
            How numbers are stored; float16 halves the tables of users and items.
        """
        include_history = self._may_include_history(include_history, include_users)
        to_model_folder(
            self, include_history=include_history, include_users=include_users, dtype=dtype
        ).write(folder)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        commit_message: str | None = None,
        token: str | None = None,
        include_history: bool | None = None,
        include_users: bool = True,
        dtype: StoredType = "float32",
    ) -> str:
        """Publish the model on the Hugging Face Hub in one commit, saying first what goes up.

        Parameters
        ----------
        repo_id : str
            Such as ``"user/movies"``; created where it does not exist.
        private : bool, optional
            Whether a new repository is private; the account's default where not given.
        revision : str, optional
            The branch; created where it does not exist.
        create_pr : bool
            Whether to open a pull request instead of writing to the branch.
        commit_message : str, optional
            Title of the commit.
        token : str, optional
            With write access; the one of ``hf auth login`` where not given.
        include_history, include_users, dtype
            As in `save_pretrained`.

        Returns
        -------
        str
            Address of the model, or of the pull request.

        Raises
        ------
        HubError
            Nobody is logged in, the token may not write there, or the Hub failed. What was there
            before is whole.
        """
        token = writing_token(repo_id, token)
        include_history = self._may_include_history(include_history, include_users)
        saved = to_model_folder(
            self, repo_id=repo_id,
            include_history=include_history, include_users=include_users, dtype=dtype,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            saved.write(folder)
            print(table_of_files(Path(folder), repo_id))
            return upload(
                Path(folder), repo_id, private=private, revision=revision, create_pr=create_pr,
                message=commit_message or f"{self.model.name} trained on {self.source.name}",
                token=token,
            )  # fmt: skip

    @classmethod
    def from_pretrained(
        cls,
        folder_or_repo: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        device: str | torch.device = "cpu",
    ) -> Recommender:
        """Load a model from a folder or from the Hugging Face Hub; neither needs to be trusted.

        Parameters
        ----------
        folder_or_repo : str or Path
            A model's folder, or a repository such as ``"user/movies"``.
        revision : str, optional
            Branch, tag or commit of the repository.
        token : str or bool, optional
            For private repositories; the one of ``hf auth login`` where not given.
        cache_dir : str or Path, optional
            Where downloads are kept; the cache of ``huggingface_hub`` where not given.
        local_files_only : bool
            Whether to use the cache without asking the Hub.
        force_download : bool
            Whether to download what is in the cache already.
        device : str or torch.device
            Where to compute.

        Raises
        ------
        ModelFormatError
            A file is missing or broken, or does not fit the others.
        HubError
            The Hub does not have the model or does not give it, or cannot be reached.
        """
        folder = local_folder(
            folder_or_repo, revision=revision, token=token, cache_dir=cache_dir,
            local_files_only=local_files_only, force_download=force_download,
        )  # fmt: skip
        return cls(**parts_of(folder)).to(device)

    def to(self, device: str | torch.device) -> Recommender:
        """Move all that is computed with to a device, and return the recommender."""
        self.model.to(device)
        self.prior = self.prior.to(device)
        if self.ranking is not None:
            vectors = self.ranking.user_vectors.to(device)
            self.ranking = RankingHead(self.ranking.model.to(device), vectors)
        self._log_popularity = self._log_popularity.to(device)
        return self

    def attach_history(self, ratings: Ratings) -> None:
        """Tell the model who has rated what, so that it leaves out what known users have seen.

        Parameters
        ----------
        ratings : Ratings
            Of the data that the model was trained on; users and items that it does not know are
            passed over.
        """
        known = ratings.recode(self.users, self.items)
        self.history = History.from_ratings(known)
        if not len(self.history):
            raise ValueError(
                f"none of these ratings ({ratings.source.name}) is by a user of the model, for an "
                f"item of it; it was trained on {self.source.name}"
            )

    @classmethod
    def from_parts(
        cls,
        model: RatingModel,
        ratings: Ratings,
        *,
        ranking: RankingHead | None = None,
        prior: UserPrior | None = None,
        noise: float | None = None,
        facts: TrainingFacts | None = None,
    ) -> Recommender:
        """Put trained heads and the ratings that they were trained on together.

        Parameters
        ----------
        model : RatingModel
            Trained on `ratings`, so that its rows follow their vocabularies.
        ratings : Ratings
            Become the histories, and tell which users the prior is fitted to.
        ranking : RankingHead, optional
            Trained on `ratings`, too.
        prior : UserPrior, optional
            What is known of a visitor; fitted to the trained users where not given.
        noise : float, optional
            Variance of a rating around its prediction, in squared stars, for that fit.
        facts : TrainingFacts, optional
            Settings, metrics and versions.
        """
        if prior is None:
            if noise is None:
                raise ValueError("give either a prior or the noise")
            trained = np.flatnonzero(ratings.user_counts()[1:]) + 1
            with torch.no_grad():
                vectors = model.user_vectors(torch.from_numpy(trained))
            prior = UserPrior.from_vectors(vectors, noise)
        return cls(
            model,
            prior,
            ranking,
            users=ratings.users,
            items=ratings.items,
            catalogue=ratings.catalogue.assign(n_ratings=ratings.item_counts()[1:]),
            history=History.from_ratings(ratings),
            scale=ratings.scale,
            source=ratings.source,
            facts=facts,
        )

    @classmethod
    def from_learner(cls, learn: Any, ratings: Ratings | None = None) -> Recommender:
        """Take over a fastai ``Learner`` that ``collab_learner`` made, vocabularies included.

        Parameters
        ----------
        learn : fastai.learner.Learner
            Trained, with ``use_nn`` or without.
        ratings : Ratings, optional
            The same ratings from `load_ratings` or ``Ratings.from_frame``: they bring the
            catalogue and the licence. The learner's own ratings serve where they are not given.

        Raises
        ------
        ValueError
            The model is not one of ``collab_learner``'s, or there are no ratings.
        """
        model, coded = read_model(learn), read_ratings(learn, ratings)
        codes = np.stack([coded.user_codes, coded.item_codes], 1)
        with torch.no_grad():
            errors = model.eval()(torch.from_numpy(codes).long()) - torch.from_numpy(coded.stars)
        return cls.from_parts(model, coded, noise=float(errors.square().mean()))

    # Names to codes, people to vectors

    def _known(self, raw: Any) -> People:
        return self._of_codes(self._known_codes(raw))

    def _known_codes(self, raw: Any) -> Codes:
        raw = plain_ids(raw)
        codes = self.users.encode(pd.Index(raw, dtype=object))
        if (codes == 0).any():
            unknown = raw[int((codes == 0).argmax())]
            raise UnknownUser(
                f"there is no user {unknown!r} among the {len(self.users) - 1:,} that the model "
                "was trained on; serve somebody new with ratings="
            )
        return codes

    def _may_include_history(self, wanted: bool | None, include_users: bool) -> bool:
        if wanted is not None or self.history is None or not include_users:
            return bool(wanted) and include_users
        if not self.source.redistributable:
            warnings.warn(
                f"the licence of {self.source.name} does not allow passing its ratings on, so "
                "history.parquet, who rated what, is left out; include_history=True keeps it, "
                "for your own use",
                stacklevel=3,
            )
        return self.source.redistributable

    def _say_history_is_missing(self) -> None:
        if self.history is not None or self._said_history_is_missing:
            return
        self._said_history_is_missing = True
        named = self.source.name in DATASETS
        loaded = f'hf_cf.load_ratings("{self.source.name}")' if named else "ratings"
        warnings.warn(
            "the model came without its users' ratings, so recommendations may hold what they "
            f"have seen; rec.attach_history({loaded}) leaves that out",
            stacklevel=3,
        )

    def _of_codes(self, codes: Codes, rated: History | None = None) -> People:
        rated = self.history if rated is None else rated
        rows = self._rows(codes)
        ranking = None if self.ranking is None else self.ranking.user_vectors[rows]
        seen = [] if rated is None else [rated.of(code)[0] for code in codes.tolist()]
        return People(self.model.user_vectors(rows), ranking, seen)

    def _one_visitor(self, ratings: VisitorRatings, on_unknown: OnUnknown = "raise") -> People:
        names, given = visitors_history(ratings, self._catalogue, self.scale, on_unknown)
        _demand_one(names)
        return self._visitors(given)

    def _visitors(self, given: History) -> People:
        """People of whom nothing but some ratings is known, one row each."""
        items, device = self._rows(given.items), self.prior.mean.device
        stars, indptr = torch.from_numpy(given.stars).to(device), torch.from_numpy(given.starts)
        indptr = indptr.to(device)
        vectors = fold_in(self.model, self.prior, indptr, items, stars)
        ranking = None
        if self.ranking is not None:
            ranking = self.ranking.model.user_vectors(indptr, items, stars)
        return People(vectors, ranking, [given.of(row)[0] for row in range(len(vectors))])

    def _deviations(self, people: People, items: Tensor) -> Tensor:
        """Standard deviations of people's ratings of items, of a single person or one each."""
        if self.prior.noise is None:
            raise ValueError("this model was saved without an estimate of the noise of a rating")
        if not len(items):
            return torch.zeros(0)
        if not people.rated:
            raise ValueError(
                "how much is known of a user depends on what they have rated; give the model its "
                "history with rec.attach_history"
            )
        variances = [
            stars_variance(self.model, self.prior, vector, self._rows(rated), own)
            for vector, rated, own in zip(
                people.rating,
                people.rated,
                items.split(1) if len(people.rating) > 1 else [items],
                strict=True,
            )
        ]
        return torch.cat(variances).sqrt()

    def _rows(self, codes: Codes) -> Tensor:
        return torch.from_numpy(codes).long().to(self.prior.mean.device)

    # Vectors to answers

    def _choose(
        self, people: People, n: int, choice: Choice, hidden: Tensor, room: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The n best items of each person: rows of `people`, item codes, scores; (B * n,) each."""
        if people.ranking is None or self.ranking is None or choice.order_by == "stars":
            scores = self.model.stars_grid(people.rating)
        else:
            vectors = people.ranking
            own_room = room[: len(vectors)] if vectors.device == room.device else None
            scores = self.ranking.model.scores(vectors, out=own_room)
        scores.index_fill_(1, hidden.nonzero()[:, 0], -torch.inf)
        return choose(scores, people.rated, n, choice, self._log_popularity, self._item_vectors())

    def _item_vectors(self) -> Tensor:
        if self.ranking is None:
            return self.model.item_embeddings()
        return self.ranking.model.item_vectors()

    def _clip(self, stars: Tensor) -> Tensor:
        return stars.clamp(self.scale.min, self.scale.max)


def _demand_one(names: list[Any] | None) -> None:
    if names is not None:
        raise ValueError("these are ratings of several visitors: they have a column user")


def _is_single(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or np.ndim(value) == 0
