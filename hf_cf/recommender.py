"""What a user of hf_cf meets: a trained model that predicts and recommends."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hf_cf.data.catalogue import Catalogue, plain_ids
from hf_cf.data.history import History
from hf_cf.data.ratings import in_code_order
from hf_cf.data.readers.layouts import DATASETS
from hf_cf.data.vocab import Codes, Vocab
from hf_cf.errors import DataFormatError, UnknownUser
from hf_cf.inference.filters import Filters
from hf_cf.inference.profiles import Profile
from hf_cf.inference.scorer import UserVectors
from hf_cf.inference.top_n import ListOptions
from hf_cf.inference.visitors import OnUnknown, VisitorRatings, visitors_history
from hf_cf.models.sessions import checked_times
from hf_cf.trained_model import TrainedModel

_GRID_CELLS = 4_000_000  # scores held at once: 16 MB

INDEX_FROM = 250_000
"""Items from which on an index is searched; fewer are scored one and all in 10 ms."""


class Recommender(TrainedModel):
    """A trained rating model with its vocabularies, catalogue and the users' histories.

    A user is a vector: a known user's is looked up, a visitor's is inferred from the ratings they
    give, and everything after that is the same for both. Users are named by raw id; items by raw
    id or by title, and ids that arrive as text find integer ids.

    Its parameters, and how it is saved, loaded and published, are those of `TrainedModel`.

    Examples
    --------
    >>> import hf_cf
    >>> from hf_cf.training import fit
    >>> train, valid = hf_cf.load_ratings("sample").split(seed=42)
    >>> rec = fit(train, valid=valid, progress=False)
    >>> list(rec.recommend(ratings={"Alien (1979)": 5, "Blade Runner (1982)": 5}, n=3))
    ['item', 'title', 'stars', 'score']
    """

    _said_history_is_missing = False

    @property
    def users_at_once(self) -> int:
        """How many users are scored together: as many as keep the scores within 16 MB."""
        users = max(1, _GRID_CELLS // len(self.items))
        return users if users < 32 else users // 32 * 32  # whole tiles of a matrix product

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
        """Predict how many stars users give items.

        Parameters
        ----------
        users : id or array_like of ids, shape (n,)
            Known users; a single one is asked about every item. Left out for a visitor.
        items : id, title or array_like of them, shape (n,)
            Items, one beside each user.
        ratings : mapping, pairs or DataFrame, optional
            A visitor's ratings, in place of `users`.
        profile : mapping of str to value, optional
            What else is known of a visitor, such as ``{"age": 25}``, where the training data had
            it of its users; see `hf_cf.inference.profiles`. It counts less with each rating.
        when : number or array_like of numbers, shape (n,), optional
            When known users rate, in seconds since 1970, for a model trained with ``dates=True``:
            it adds how the user rated in the same sitting.
        return_std : bool
            Whether to return standard deviations, too: how far the user's own rating, at an
            unknown time, is expected to be from the prediction. A known user's needs the history.
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
            rating, or no history of known users. Or times are given that are no seconds since
            1970, for a visitor, or for a model trained without them.
        """
        ratings = _with_profile(ratings, profile)
        if items is None or (users is None) == (ratings is None):
            raise ValueError("give items, and either users or ratings=")
        scalar = _is_single(items)
        codes = self._catalogue.codes([items] if scalar else items)
        if ratings is None:
            single_user = _is_single(users)
            people = self._known([users] if single_user else users)
            scalar = scalar and single_user
        else:
            people = self._one_visitor(ratings, on_unknown, profile)
        vectors = people.rating
        if len(vectors) not in (1, len(codes)):
            raise ValueError(f"{len(vectors)} users and {len(codes)} items: give one item a user")
        rows = self.scorer.rows(codes)
        added = 0.0 if when is None else self._stars_of_time(users, when, len(codes))
        stars = self.scorer.stars(vectors.expand(len(codes), -1), rows, added)
        answers: list[Any] = [stars.numpy(force=True)]
        if return_std:
            answers.append(self.scorer.standard_deviations(people, rows).numpy(force=True))
        if scalar:
            answers = [float(answer[0]) for answer in answers]
        return tuple(answers) if return_std else answers[0]

    def recommend(
        self,
        user: Any = None,
        *,
        ratings: VisitorRatings | None = None,
        profile: Profile | None = None,
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
        approximate: bool | None = None,
    ) -> pd.DataFrame:
        """Recommend items to known users or to visitors.

        Parameters
        ----------
        user : id or array_like of ids, optional
            A known user, or several.
        ratings : mapping, pairs or DataFrame, optional
            A visitor's ratings; empty for somebody of whom nothing is known. A DataFrame with a
            column ``user`` beside ``item`` and ``rating`` holds those of several visitors.
        profile : mapping of str to value, optional
            What else is known of a single visitor, such as ``{"age": 25}``, where the training
            data had it of its users; see `hf_cf.inference.profiles`. It counts less with each
            rating.
        n : int
            Items a user; fewer where no more pass the filters.
        order_by : {"score", "stars"}
            The ranking head's order, what people of that taste choose and like; or the order of
            the predicted stars, which puts the rarely seen first.
        genres, years, exclude, min_ratings
            Which items may appear; see `hf_cf.inference.filters.Filters`.
        novelty : float
            From 0 to 1: how much the well known gives way to the less known; see
            `hf_cf.inference.top_n`.
        diversity : float
            From 0 to 1: how much likeness among the items shown is avoided; see
            `hf_cf.inference.top_n`.
        include_rated : bool
            Whether items may appear that the user has rated.
        on_unknown : {"raise", "skip"}
            What to do with a visitor's rating of an item that the catalogue does not have.
        approximate : bool, optional
            Whether to search the index that `build_index` made, which finds about 99 of the 100
            best items, instead of scoring every item; filters hold all the same. Where not given,
            it is searched in catalogues of more than `INDEX_FROM` items. The order of the stars,
            and novelty, are always exact.

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
            A parameter is out of its range, or there is no index to search.
        """
        ratings = _with_profile(ratings, profile)
        if (user is None) == (ratings is None):
            raise ValueError("give either a user or ratings=")
        if n < 1:
            raise ValueError(f"n is {n}; it must be at least 1")
        choice = ListOptions(order_by, novelty, diversity)
        approximate = self._may_search_index(approximate, choice)
        filters = Filters(genres, years, exclude, min_ratings)
        hidden = torch.from_numpy(filters.hidden(self._catalogue))
        given = features = None
        if ratings is None:
            single = _is_single(user)
            names = [user] if single else list(user)
            known = self.user_codes(names)
        else:
            visitors, given = visitors_history(ratings, self._catalogue, self.scale, on_unknown)
            single = visitors is None
            names = [None] if visitors is None else visitors
            if profile is not None:
                _demand_one(visitors)
                features = self._features(profile)
        found: list[tuple[Tensor, ...]] = []
        # One block's scores take the place of the last one's: memory that is touched for the first
        # time costs more than the scores.
        room = torch.empty(min(len(names), self.users_at_once), len(self.items))
        for start in range(0, max(1, len(names)), self.users_at_once):
            part = np.arange(start, min(start + self.users_at_once, len(names)))
            people = (
                self.scorer.known(known[part], self.history)
                if given is None
                else self.scorer.visitors(given.take(part), features)
            )
            if include_rated:
                people = replace(people, rated=[])
            elif ratings is None:
                self._say_history_is_missing()
            rows, items, score = self.scorer.best(
                people, n, choice, hidden, self._log_popularity, room, approximate=approximate
            )
            stars = self.scorer.stars(people.rating[rows], items)
            found.append((rows + start, items, stars, score))
        row, code, predicted, scored = (
            torch.cat(parts).numpy(force=True) for parts in zip(*found, strict=True)
        )
        table = self._catalogue.describe(code, stars=predicted, score=scored)
        if not single:
            table.insert(0, "user", pd.Series(plain_ids(names)).to_numpy()[row])
        return table

    def explain(
        self,
        item: Any,
        user: Any = None,
        *,
        ratings: VisitorRatings | None = None,
        profile: Profile | None = None,
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
        profile : mapping of str to value, optional
            What else is known of a visitor, such as ``{"age": 25}``, where the training data had
            it of its users; see `hf_cf.inference.profiles`. It counts less with each rating.
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
        ratings = _with_profile(ratings, profile)
        if (user is None) == (ratings is None):
            raise ValueError("give either a user or ratings=")
        if n < 1:
            raise ValueError(f"n is {n}; it must be at least 1")
        features = self._features(profile)
        target = self.scorer.rows(self._catalogue.codes([item]))
        if ratings is not None:
            names, given = visitors_history(ratings, self._catalogue, self.scale, on_unknown)
            _demand_one(names)
        elif self.history is None:
            raise ValueError("give the model its history first, with rec.attach_history")
        else:
            given = self.history.take(self.user_codes([user]))
        codes, stars = given.of(0)
        given_stars = torch.from_numpy(stars)
        moved = self.scorer.effects(codes, given_stars, target, features=features)[0]
        order = moved.abs().argsort(descending=True, stable=True)[:n].numpy(force=True)
        table = self._catalogue.describe(codes[order])
        table = table.assign(rating=stars[order], effect=moved.numpy(force=True)[order])
        said = zip(table["title"], table["rating"], strict=True)
        return table.assign(text=[reason(title, rating) for title, rating in said])

    def next_questions(
        self,
        ratings: VisitorRatings,
        n: int = 10,
        *,
        profile: Profile | None = None,
        exclude: Sequence[Any] = (),
        on_unknown: OnUnknown = "raise",
    ) -> pd.DataFrame:
        """Say which items to ask a visitor about next, so that a few answers tell most.

        Parameters
        ----------
        ratings : mapping, pairs or DataFrame
            What the visitor has rated so far; empty at the start.
        n : int
            Questions; fewer where fewer items are left.
        profile : mapping of str to value, optional
            What else is known of a visitor, such as ``{"age": 25}``, where the training data had
            it of its users; see `hf_cf.inference.profiles`. It counts less with each rating.
        exclude : sequence of ids or titles
            Items that the visitor was asked about already, or does not know.
        on_unknown : {"raise", "skip"}
            What to do with a rating of an item that the catalogue does not have.

        Returns
        -------
        DataFrame
            Best first: ``item``, ``title``, ``chance`` (0 to 1, that the visitor knows it) and
            ``gain`` (how far the answer is expected to move the visitor's predictions and scores,
            as a part of their standard deviation, once the questions above it were asked; see
            `hf_cf.inference.questions`). The order follows their product.

        Raises
        ------
        UnknownItem
            The model does not have an item.
        ValueError
            `n` is below 1, or a rating is wrong.
        """
        if n < 1:
            raise ValueError(f"n is {n}; it must be at least 1")
        names, given = visitors_history(ratings, self._catalogue, self.scale, on_unknown)
        _demand_one(names)
        hidden = Filters(exclude=exclude).hidden(self._catalogue)
        hidden[given.items] = True
        items, chances, gains = self.scorer.questions(
            given, self._features(profile), torch.from_numpy(hidden), self._log_popularity, n
        )
        table = self._catalogue.describe(items.numpy(force=True))
        return table.assign(chance=chances.numpy(force=True), gain=gains.numpy(force=True))

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
        vectors = self.scorer.item_vectors()
        lengths = vectors.norm(dim=1).clamp_min(1e-12)
        similarity = vectors @ (vectors[code] / lengths[code]) / lengths
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

    # How it finds the best of millions

    def build_index(self, *, seed: int = 0, progress: bool = True) -> None:
        """Make an index of the items, so that recommending from millions need not score them all.

        It belongs to the model from then on, and is saved and published with it. It holds the
        ranking head's item vectors once more in memory; see `hf_cf.models.ItemIndex`.

        Parameters
        ----------
        seed : int
            Seed of the clustering.
        progress : bool
            Whether to show a progress bar.

        Raises
        ------
        ValueError
            The model has no ranking head.
        """
        if self.ranking is None:
            raise ValueError("this model has no ranking head, whose items an index is made of")
        ranking = self.ranking.with_index(seed=seed, progress=progress)
        self.scorer = replace(self.scorer, ranking=ranking)

    def _may_search_index(self, wanted: bool | None, choice: ListOptions) -> bool:
        possible = choice.order_by == "score" and not choice.novelty
        has_index = self.ranking is not None and self.ranking.index is not None
        if wanted is None:
            return possible and has_index and len(self.items) > INDEX_FROM
        if wanted and not has_index:
            raise ValueError("there is no index to search; make one with rec.build_index()")
        if wanted and not possible:
            raise ValueError(
                "the order of the stars, and novelty, are exact; leave approximate out"
            )
        return wanted

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
        names, given = self._several(ratings, self._catalogue)
        known = self.users.encode(pd.Index(names, dtype=object)) > 0
        if known.any():
            name = names[int(known.argmax())]
            raise ValueError(f"the model knows the user {name!r} already; refresh with rec.update")
        users = Vocab([*self.users.ids.tolist(), *names])
        codes = np.arange(len(self.users), len(users), dtype=np.int32)
        history = self.history and self.history.updated(codes, given, len(users))
        return self._with_users(users, codes, self.scorer.visitors(given), history)

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
        names, given = self._several(ratings, self._catalogue)
        codes = self.user_codes(names)
        if self.history is None:
            raise ValueError("give the model its history first, with rec.attach_history")
        history = self.history.updated(codes, given, len(self.users))
        people = self.scorer.visitors(history.take(codes))
        return self._with_users(self.users, codes, people, history)

    def add_items(self, items: pd.DataFrame, ratings: pd.DataFrame | None = None) -> Recommender:
        """Place new items by their features, and by a few ratings, without training.

        Both heads place them: how they are liked, and who would choose them, is what their
        features let expect, until ratings say more.

        Parameters
        ----------
        items : DataFrame
            ``id`` and what the catalogue has, such as ``title``, ``year``, ``genres``.
        ratings : DataFrame, optional
            ``user``, ``item``, ``rating``: of known users, for the new items.

        Returns
        -------
        Recommender
            A new one, which can be saved and pushed; this one stays as it is.

        Raises
        ------
        UnknownUser, UnknownItem
            The model does not have the user, or neither of both the item.
        ValueError
            The model is no ``bayesian_mf``, an item is known already, or a rating is outside the
            scale.
        """
        if "id" not in items:
            raise DataFormatError("new items need this column", column="id")
        known = self.items.encode(items["id"]) > 0
        if known.any():
            name = plain_ids(items["id"])[int(known.argmax())]
            raise ValueError(f"the model has the item {name!r} already")
        vocab = Vocab([*self.items.ids.tolist(), *items["id"].tolist()])
        new = in_code_order(items, Vocab(items["id"]), default_title=True)
        new = new.reindex(columns=[name for name in self.catalogue if name != "n_ratings"])
        users, codes, given = np.zeros(0, np.int32), np.zeros(0, np.int32), None
        table = pd.concat([self.catalogue, new.assign(n_ratings=0)])
        table.index = pd.RangeIndex(1, len(vocab), name="code")
        if ratings is not None:
            names, given = self._several(ratings, Catalogue(vocab, table))
            users = self.user_codes(names)
            codes = given.items - len(self.items)
            if (codes < 0).any():
                raise ValueError("ratings are for new items; refresh with rec.update for others")
            table["n_ratings"] += np.bincount(given.items, minlength=len(vocab))[1:]
        owners = users[given.user_codes()] if given else users
        stars = given.stars if given else np.zeros(0, np.float32)
        given_to = History.from_codes(codes, owners, stars, len(new))
        scorer = self.scorer.with_items(self.catalogue, new, given_to)
        history = self.history
        if history is not None and given is not None:
            history = history.updated(users, given, len(self.users))
        return Recommender(
            scorer.model, scorer.prior, scorer.ranking,
            users=self.users, items=vocab, catalogue=table, history=history,
            held_out=self.held_out, scale=self.scale, source=self.source, metadata=self.metadata,
            pictures=self.pictures, profiles=self.profiles,
        ).to(scorer.device)  # fmt: skip

    def _several(self, ratings: pd.DataFrame, catalogue: Catalogue) -> tuple[list[Any], History]:
        names, given = visitors_history(ratings, catalogue, self.scale)
        if names is None:
            raise ValueError("ratings are a table with the columns user, item and rating")
        return names, given

    def _with_users(
        self, users: Vocab, codes: Codes, people: UserVectors, history: History | None
    ) -> Recommender:
        """The same model with the vectors of some user codes, old or new ones, replaced."""
        scorer = self.scorer.with_users(len(users), codes, people)
        held_out = None
        if history is not None and self.held_out is not None:
            told = history.take(codes)
            owners = codes[told.user_codes()]
            told = History.from_codes(owners, told.items, told.stars, len(users))
            held_out = self.held_out.without(told)
        return Recommender(
            scorer.model, scorer.prior, scorer.ranking,
            users=users, items=self.items, catalogue=self.catalogue, history=history,
            held_out=held_out, scale=self.scale, source=self.source, metadata=self.metadata,
            pictures=self.pictures, profiles=self.profiles,
        ).to(scorer.device)  # fmt: skip

    # Names to codes, people to vectors

    def _known(self, raw: Any) -> UserVectors:
        return self.scorer.known(self.user_codes(raw), self.history)

    def _stars_of_time(self, users: Any, when: Any, n: int) -> Tensor:
        """Stars that the times of n ratings by known users add, (n,)."""
        if users is None:
            raise ValueError("when= is for known users: nobody knows a visitor's other sittings")
        known = self.user_codes([users] if _is_single(users) else users)
        times = torch.from_numpy(checked_times(when, n)).to(self.scorer.device)
        return self.scorer.model.stars_of_time(self.scorer.rows(known).expand(n), times)

    def user_codes(self, raw: Any) -> Codes:
        """Codes of known users: raw ids, shape (n,), to int32, shape (n,).

        Raises
        ------
        UnknownUser
            The model does not have one of them.
        """
        raw = plain_ids(raw)
        codes = self.users.encode(pd.Index(raw, dtype=object))
        if (codes == 0).any():
            unknown = raw[int((codes == 0).argmax())]
            raise UnknownUser(
                f"there is no user {unknown!r} among the {len(self.users) - 1:,} that the model "
                "was trained on; serve somebody new with ratings="
            )
        return codes

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

    def _one_visitor(
        self, ratings: VisitorRatings, on_unknown: OnUnknown, profile: Profile | None
    ) -> UserVectors:
        names, given = visitors_history(ratings, self._catalogue, self.scale, on_unknown)
        _demand_one(names)
        return self.scorer.visitors(given, self._features(profile))

    def _features(self, profile: Profile | None) -> Tensor | None:
        if profile is None:
            return None
        if self.profiles is None:
            raise ValueError(
                "this model takes no profile=: its training data said nothing of its users but "
                "their ratings"
            )
        return self.profiles.read(profile)


def _with_profile(ratings: VisitorRatings | None, profile: Profile | None) -> VisitorRatings | None:
    """A visitor's ratings: none yet where only their profile is given."""
    return {} if ratings is None and profile is not None else ratings


def reason(title: str, rating: float) -> str:
    """Say what somebody's rating of an item gave rise to."""
    return f"because you gave {title} {rating:g} star{'s' * (rating != 1)}"


def _demand_one(names: list[Any] | None) -> None:
    if names is not None:
        raise ValueError("these are ratings of several visitors: they have a column user")


def _is_single(value: Any) -> bool:
    return isinstance(value, (str, bytes)) or np.ndim(value) == 0
