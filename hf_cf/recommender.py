"""What a user of hf_cf meets: a trained model that predicts and recommends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, Unpack

import pandas as pd
import torch

from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import DataSource, RatingScale
from hf_cf.data.vocab import Vocab
from hf_cf.inference import answers, asking, item_tables, updates
from hf_cf.inference.filters import Filters
from hf_cf.inference.metadata import TrainingMetadata
from hf_cf.inference.profiles import Profile
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.inference.reasons import reason
from hf_cf.inference.top_n import Familiarity, ListOptions
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.inference.users import KnownUsers
from hf_cf.inference.visitors import OnUnknown, VisitorRatings
from hf_cf.models import RatingModel
from hf_cf.models.sessions import checked_times
from hf_cf.storage.hub import DownloadOptions, local_folder
from hf_cf.storage.publishing import Contents, PushOptions, push_model, save_model
from hf_cf.storage.serialization import read_model


class Recommender:
    """A trained model with its vocabularies, catalogue and the users' histories.

    A user is a vector: a known user's is looked up, a visitor's is inferred from the ratings they
    give, and everything after that is the same for both. Users are named by raw id; items by raw
    id or by title, and ids that arrive as text find integer ids.

    Some parameters mean the same everywhere:

    - ``ratings``: a visitor's, ``{item: stars}``, pairs, or a table ``item``, ``rating``; or none.
    - ``liked``: what a visitor likes, ids or titles, in place of ``ratings``.
    - ``profile``: what else is known of a visitor, such as ``{"age": 25}``, where the training
      data had it of its users. It counts less with each rating; in `bayesian_mf` for the order.
    - ``on_unknown``: whether to ``"raise"`` or to ``"skip"`` a visitor's rating of an item that
      the catalogue does not have.

    So do errors: an id or title that the model does not have raises `UnknownUser` or
    `UnknownItem`, and a parameter or rating that is wrong raises ValueError.

    Parameters
    ----------
    trained : TrainedModel
        What `hf_cf.training.fit` made, or a folder holds.

    Examples
    --------
    >>> import hf_cf
    >>> from hf_cf.training import fit
    >>> train, valid = hf_cf.load_ratings("sample").split(seed=42)
    >>> rec = fit(train, valid=valid, progress=False)
    >>> list(rec.recommend(ratings={"Alien (1979)": 5, "Blade Runner (1982)": 5}, n=3))
    ['item', 'title', 'stars', 'score']
    """

    def __init__(self, trained: TrainedModel) -> None:
        self.trained = trained
        self._warned = False

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.model.name} trained on {self.source.name}: "
            f"{len(self.users) - 1:,} users, {len(self.items) - 1:,} items)"
        )

    @property
    def model(self) -> RatingModel:
        """The rating model, which predicts stars."""
        return self.trained.scorer.rating.model

    @property
    def ranking(self) -> RankingHead | None:
        """The ranking head, which orders recommendations."""
        return self.trained.scorer.ranking

    @property
    def users(self) -> Vocab:
        """The known users."""
        return self.trained.users

    @property
    def items(self) -> Vocab:
        """The items."""
        return self.trained.items

    @property
    def catalogue(self) -> pd.DataFrame:
        """One row an item, indexed by code: ``id``, ``title``, ``n_ratings``, and what is known."""
        return self.trained.catalogue.table

    @property
    def history(self) -> History | None:
        """Who rated what, by user code."""
        return self.trained.history

    @property
    def scale(self) -> RatingScale:
        """The values that a rating can take."""
        return self.trained.scorer.scale

    @property
    def source(self) -> DataSource:
        """Where the ratings come from."""
        return self.trained.source

    @property
    def metadata(self) -> TrainingMetadata:
        """Settings, metrics and versions of the training."""
        return self.trained.metadata

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics of the finished model: ``valid_mse``, ``valid_rmse``, ``valid_mae``, ..."""
        return self.metadata.metrics

    # What it answers

    def predict(
        self,
        users: Any = None,
        items: Any = None,
        *,
        ratings: VisitorRatings | None = None,
        profile: Profile | None = None,
        when: Any = None,
        return_std: bool = False,
        on_unknown: OnUnknown = "raise",
    ) -> Any:
        """Predict how many stars known users, or a visitor, give items.

        Parameters
        ----------
        users : id or array_like of ids, shape (n,)
            A single one is asked about every item. Left out for a visitor.
        items : id, title or array_like of them, shape (n,)
            Items, one paired with each user.
        when : number or array_like of numbers, shape (n,), optional
            When known users rate, in seconds since 1970, for a model trained with ``dates=True``:
            it adds how the user rated in the same session.
        return_std : bool
            Whether to return predictive standard deviations, too: how far the user's own rating,
            at an unknown time, is expected to be from the prediction. A known user's needs the
            history.

        Returns
        -------
        float32 array, shape (n,), or float
            Stars within the rating scale; a float for a single user and a single item. With
            `return_std` a pair: stars and standard deviations in stars.
        """
        if items is None:
            raise ValueError("give items, and either users or ratings=")
        who, names = asking.users_of(self.trained, users, ratings, profile, on_unknown)
        if users is None:
            asking.demand_one(names)
        scalar = asking.is_single(items) and (users is None or asking.is_single(users))
        asking.demand_stars_by_profile(self.trained, profile)
        codes = self.trained.catalogue.codes([items] if asking.is_single(items) else items)
        times = None if when is None else torch.from_numpy(checked_times(when, len(codes)))
        found = answers.predict(self.trained, who, codes, times=times, with_deviations=return_std)
        columns = (found.stars, found.standard_deviations)
        shown = [float(each[0]) if scalar else each for each in columns if each is not None]
        return tuple(shown) if return_std else shown[0]

    def recommend(
        self,
        user: Any = None,
        *,
        ratings: VisitorRatings | None = None,
        liked: Sequence[Any] | None = None,
        profile: Profile | None = None,
        n: int = 10,
        items: Sequence[Any] | None = None,
        order_by: Literal["score", "stars"] = "score",
        genres: Sequence[str] = (),
        years: tuple[int, int] | None = None,
        exclude: Sequence[Any] = (),
        min_ratings: int = 0,
        novelty: float = 0.0,
        diversity: float = 0.0,
        familiarity: Familiarity | None = None,
        include_rated: bool = False,
        on_unknown: OnUnknown = "raise",
        approximate: bool | None = None,
    ) -> pd.DataFrame:
        """Recommend items to known users or to visitors.

        Parameters
        ----------
        user : id or array_like of ids, optional
            A known user, or several. Several visitors are `ratings` with a column ``user``.
        n : int
            Items a user; fewer where no more pass the filters.
        items : sequence of ids or titles, optional
            Rank only these: a festival's programme, what a shop has in stock.
        order_by : {"score", "stars"}
            The ranking head's order, what people of that taste choose and like; or the order of
            the predicted stars, which puts the rarely seen first.
        genres, years, exclude, min_ratings
            Which items may appear; see `hf_cf.inference.filters.Filters`.
        novelty, diversity : float
            From 0 to 1: how much the well known gives way, and how much likeness among the items
            shown is avoided; see `hf_cf.inference.top_n`.
        familiarity : {"favourites", "mix", "lesser_known", "hidden_gems"}, optional
            A list as the Space shows it; see `hf_cf.inference.familiarity`.
        include_rated : bool
            Whether items may appear that the user has rated.
        approximate : bool, optional
            Whether to search the index that `build_index` made, which finds about 99 of the 100
            best items; filters hold all the same. Where not given, above `answers.INDEX_FROM`
            items. The order of the stars, novelty, and `items` are always exact.

        Returns
        -------
        DataFrame
            Best first: ``item`` (raw id), ``title``, ``stars`` (predicted, within the scale),
            ``score`` (what the order follows). With several users a first column ``user``; without
            ``stars`` where the model was trained on likes, plays or purchases.
        """
        who, names = asking.users_of(self.trained, user, ratings, profile, on_unknown, liked)
        asking.demand_stars_by_profile(self.trained, profile if order_by == "stars" else None)
        if isinstance(who, KnownUsers) and not (include_rated or self._warned):
            asking.warn_of_missing_history(self.trained)
            self._warned = True
        if items is not None and on_unknown == "skip":
            known = self.trained.catalogue.known_codes(items)
            items = self.items.decode(known[known > 0]).tolist()
        found = answers.recommend(
            self.trained, who, n,
            ListOptions(order_by, novelty, diversity, familiarity),
            Filters(genres, years, exclude, min_ratings, items),
            include_rated=include_rated, approximate=approximate,
        )  # fmt: skip
        columns = {} if found.stars is None else {"stars": found.stars}
        table = self.trained.catalogue.describe(found.items, **columns, score=found.scores)
        if names is not None:
            table.insert(0, "user", pd.Series(names).to_numpy()[found.rows])
        return table

    def explain(
        self,
        item: Any,
        user: Any = None,
        *,
        ratings: VisitorRatings | None = None,
        liked: Sequence[Any] | None = None,
        profile: Profile | None = None,
        n: int = 3,
        on_unknown: OnUnknown = "raise",
    ) -> pd.DataFrame:
        """Say which of somebody's ratings moved the predicted stars of an item most.

        It is a known `user`, whose history the model has, or a visitor. There is a row for each
        of n ratings.

        Returns
        -------
        DataFrame
            Largest effect first: ``item``, ``title``, ``rating`` (as it was given), ``effect``
            (in stars, up or down; see `hf_cf.models.rating_effects`), ``text`` ("because you gave
            Heat (1995) 5 stars").
        """
        who, names = asking.users_of(self.trained, user, ratings, profile, on_unknown, liked)
        if user is None:
            asking.demand_one(names)
        target = self.trained.catalogue.codes([item])
        found = answers.explain(self.trained, who, target, n)
        table = self.trained.catalogue.describe(
            found.items[0], rating=found.ratings[0], effect=found.effects[0]
        )
        said = zip(table["title"], table["rating"], strict=True)
        by_stars = self.trained.scorer.predicts_stars
        return table.assign(text=[reason(title, rating, by_stars) for title, rating in said])

    def next_questions(
        self,
        ratings: VisitorRatings,
        n: int = 10,
        *,
        profile: Profile | None = None,
        exclude: Sequence[Any] = (),
        on_unknown: OnUnknown = "raise",
    ) -> pd.DataFrame:
        """Say which n items to ask a visitor about next, so that a few answers tell most.

        `exclude` names items that the visitor was asked about already, or does not know.

        Returns
        -------
        DataFrame
            Best first: ``item``, ``title``, ``chance`` (0 to 1, that the visitor knows it) and
            ``gain`` (how far the answer is expected to move the visitor's predictions and scores,
            as a part of their standard deviation, once the questions above it were asked; see
            `hf_cf.inference.questions`). The order follows their product.
        """
        visitor = asking.one_visitor(self.trained, ratings, profile, on_unknown)
        items, chances, gains = answers.questions(self.trained, visitor, n, exclude)
        return self.trained.catalogue.describe(items, chance=chances, gain=gains)

    def similar(self, item: Any, n: int = 10) -> pd.DataFrame:
        """Find the items most like one: those that people choose who choose it.

        What everybody chooses is no likeness; and the less ratings say, the more the features of
        the catalogue count. See `hf_cf.inference.similarity`.

        Returns
        -------
        DataFrame
            Best first: ``item``, ``title``, ``similarity`` (-1 to 1).
        """
        code = int(self.trained.catalogue.codes([item])[0])
        items, similarity = answers.similar(self.trained, code, n)
        return self.trained.catalogue.describe(items, similarity=similarity)

    def find(self, text: str, n: int = 5) -> pd.DataFrame:
        """Find items by what people type: a title, initials, a number in a series, a year, a maker.

        Such as "silence of the lamb", "lotr", "harry potter 3", "1994", or an author. Returns rows
        of the catalogue, best first, and ``likeness`` (0 to 100); perhaps none.
        """
        return self.trained.catalogue.find(text, n)

    def item_bias(self) -> pd.DataFrame:
        """Rank items by how much they are liked beyond taste; see `hf_cf.inference.item_tables`."""
        return item_tables.item_bias(self.trained)

    def item_map(self, n: int = 3, most_rated: int = 1000) -> pd.DataFrame:
        """Place the most rated items so that like ones are near; see `item_tables.item_map`."""
        return item_tables.item_map(self.trained, n, most_rated)

    # What comes after the training

    def build_index(self, *, seed: int = 0, progress: bool = True) -> None:
        """Make an index of the items, so that recommending from millions need not score them all.

        It is saved and published with the model, and holds the item vectors once more in memory;
        see `hf_cf.inference.item_index`. `seed` is of its clustering. ValueError: no ranking head.
        """
        self.trained = self.trained.with_index(seed=seed, progress=progress)

    def attach_history(self, ratings: Ratings) -> None:
        """Tell the model who has rated what, so that it leaves out what known users have seen.

        Users and items that it does not know are passed over; ValueError if none is left.
        """
        self.trained = self.trained.with_history(ratings)

    def add_users(self, ratings: pd.DataFrame) -> Recommender:
        """Make visitors known users, without training.

        `ratings` is a table ``user``, ``item``, ``rating`` of users that the model does not have.
        Returns a new one, which can be saved and pushed; this one stays as it is. Without a
        history it has none either.
        """
        return Recommender(updates.add_users(self.trained, ratings))

    def update(self, ratings: pd.DataFrame) -> Recommender:
        """Refresh known users after new ratings, without training; the model needs its history.

        A user's vectors are inferred again, from their history and the new ratings together; a
        new rating of an item replaces the old one. Takes and returns what `add_users` does.
        """
        return Recommender(updates.update_users(self.trained, ratings))

    def add_items(
        self,
        items: pd.DataFrame,
        ratings: pd.DataFrame | None = None,
        text_model: str | Path | None = None,
    ) -> Recommender:
        """Place new items by their features, and by a few ratings, without training.

        Both heads predict from their features, until ratings say more. The rating model must be a
        ``bayesian_mf``. `items` has a column ``id`` and what the catalogue has, such as ``title``;
        `ratings` are known users', for the new items; `text_model` is where the text model of the
        training is now, if it has moved. Returns what `add_users` does.
        """
        return Recommender(updates.add_items(self.trained, items, ratings, text_model))

    # Where it comes from and goes to

    def save_pretrained(self, folder: str | Path, **contents: Unpack[Contents]) -> None:
        """Write the model to a folder: safetensors, Parquet, JSON and a card, nothing pickled.

        The folder is created where it does not exist; a model that is there is replaced.
        `contents` are ``include_history``, ``include_users``, ``dtype``: see
        `storage.publishing.Contents`.
        """
        self.trained = save_model(self.trained, folder, **contents)

    def push_to_hub(self, repo_id: str, **options: Unpack[PushOptions]) -> str:
        """Publish the model on the Hugging Face Hub in one commit, saying first what goes up.

        The repository, such as ``"user/movies"``, is created where it does not exist. `options`
        are ``private``, ``revision``, ``create_pr``, ``commit_message``, ``token``, and what
        `save_pretrained` takes: see `storage.publishing.PushOptions`. Returns the address of the
        model, or of the pull request. `HubError` says what failed; what was there before is whole.
        """
        return push_model(self.trained, repo_id, **options)

    @classmethod
    def from_pretrained(
        cls,
        folder_or_repo: str | Path,
        *,
        device: str | torch.device = "cpu",
        **options: Unpack[DownloadOptions],
    ) -> Self:
        """Load a model from a folder or from the Hugging Face Hub; neither needs to be trusted.

        Parameters
        ----------
        folder_or_repo : str or Path
            A model's folder, or a repository such as ``"user/movies"``.
        device : str or torch.device
            Where to compute.
        **options
            ``revision``, ``token``, ``cache_dir``, ...: see `storage.hub.DownloadOptions`.

        A broken folder raises `ModelFormatError`, a repository that cannot be had `HubError`.
        """
        return cls(read_model(local_folder(folder_or_repo, **options)).to(device))

    @classmethod
    def from_learner(cls, learn: Any, ratings: Ratings | None = None) -> Self:
        """Take over a trained fastai ``Learner`` that ``collab_learner`` made, with vocabularies.

        The same `ratings`, from `load_ratings` or ``Ratings.from_frame``, bring the catalogue and
        the licence; the learner's own serve where they are not given. ValueError if the model is
        not one of ``collab_learner``'s, or there are no ratings.
        """
        from hf_cf.storage.fastai_learner import read_learner

        return cls(read_learner(learn, ratings))

    def to(self, device: str | torch.device) -> Self:
        """Move all that is computed with to a device, and return the model."""
        self.trained = self.trained.to(device)
        return self
