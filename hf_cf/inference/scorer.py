"""The two heads of a model together: codes and ratings in, vectors and scores out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hf_cf.data.features import design_matrix, find_features
from hf_cf.data.history import History
from hf_cf.data.scale import RatingScale
from hf_cf.data.vocab import Codes
from hf_cf.inference.profiles import ProfileStart
from hf_cf.inference.questions import next_questions
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.inference.top_n import ListOptions, best_of, candidates, choose, places
from hf_cf.models import RatingModel, UserPrior
from hf_cf.models.ridge import ridge


@dataclass(frozen=True)
class UserVectors:
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


@dataclass(frozen=True)
class Scorer:
    """A rating model, which predicts stars, and a ranking head, which orders recommendations.

    Attributes
    ----------
    model : RatingModel
        In evaluation mode.
    prior : UserPrior
        What is known of a user before their first rating.
    ranking : RankingHead, optional
        Without it the order is that of the predicted stars.
    scale : RatingScale
        Stars are cut to it.
    profiles : ProfileStart, optional
        Where newcomers start of whom more is known than their ratings.
    """

    model: RatingModel
    prior: UserPrior
    ranking: RankingHead | None
    scale: RatingScale
    profiles: ProfileStart | None = None

    def to(self, device: str | torch.device) -> Scorer:
        """Return both heads on a device; the modules themselves move."""
        ranking = self.ranking
        if ranking is not None:
            ranking = ranking.to(device)
        return replace(
            self, model=self.model.to(device), prior=self.prior.to(device), ranking=ranking,
            profiles=None if self.profiles is None else self.profiles.to(device),
        )  # fmt: skip

    @property
    def device(self) -> torch.device:
        """Where the heads compute."""
        return self.prior.mean.device

    def rows(self, codes: Codes) -> Tensor:
        """Codes as rows of the tables, on the device: int64, same shape."""
        return torch.from_numpy(codes).long().to(self.device)

    def known(self, codes: Codes, history: History | None) -> UserVectors:
        """Look up users that the model was trained on: codes, shape (B,)."""
        rows = self.rows(codes)
        ranking = None if self.ranking is None else self.ranking.user_vectors[rows]
        rated = [] if history is None else [history.of(code)[0] for code in codes.tolist()]
        return UserVectors(self.model.user_vectors(rows), ranking, rated)

    def visitors(self, given: History, features: Tensor | None = None) -> UserVectors:
        """Infer people of whom some ratings are known, one a row of `given`.

        `features` are those of their profiles, as `ProfileStart.read` gives them: (B, p), or
        (1, p) for all.
        """
        items, stars = self.rows(given.items), torch.from_numpy(given.stars).to(self.device)
        indptr = torch.from_numpy(given.starts).to(self.device)
        vectors = self.model.fold_in(self.prior_of(features), indptr, items, stars)
        ranking = None
        if self.ranking is not None:
            start = self.ranking.model.average_user
            moves = None if self.profiles is None else self.profiles.ranking
            if features is not None and moves is not None:
                start = start + features.to(self.device) @ moves
            ranking = self.ranking.model.user_vectors(indptr, items, stars, start)
        return UserVectors(vectors, ranking, [given.of(row)[0] for row in range(len(vectors))])

    def prior_of(self, features: Tensor | None) -> UserPrior:
        """What is known of people with these features, (B, p), before their first rating."""
        if features is None or self.profiles is None or self.profiles.rating is None:
            return self.prior
        mean = self.prior.mean + features.to(self.device) @ self.profiles.rating
        return replace(self.prior, mean=mean)

    def with_users(self, n_users: int, codes: Codes, people: UserVectors) -> Scorer:
        """Put the vectors of some users, old or new ones, in place.

        Parameters
        ----------
        n_users : int
            Rows of the tables of users afterwards, ``#na#`` included; at least as many as before.
        codes : int array, shape (B,)
            Rows to replace; every new row is among them.
        people : People
            B of them.
        """
        rows = self.rows(codes)

        def replaced(old: Tensor, new: Tensor) -> Tensor:
            whole = old.new_empty(n_users, old.shape[1])
            whole[: len(old)] = old
            whole[rows] = new
            return whole

        known = torch.arange(int(self.model.settings["n_users"]), device=self.device)
        vectors = replaced(self.model.user_vectors(known), people.rating)
        ranking = self.ranking
        if ranking is not None and people.ranking is not None:
            user_vectors = replaced(ranking.user_vectors, people.ranking)
            ranking = replace(ranking, user_vectors=user_vectors)
        changed = replace(self, model=self.model.with_user_vectors(vectors), ranking=ranking)
        return changed.to(self.device)

    def with_items(self, known: pd.DataFrame, new: pd.DataFrame, given: History) -> Scorer:
        """Add items.

        Parameters
        ----------
        known : DataFrame
            The catalogue, with ``n_ratings``.
        new : DataFrame
            The new items' rows of it, m of them.
        given : History
            Their ratings: one row a new item, with the codes of users in place of items.
        """
        indptr, users = torch.from_numpy(given.starts).to(self.device), self.rows(given.items)
        stars = torch.from_numpy(given.stars).to(self.device)
        model, ranking = self.model.with_items(new, indptr, users, stars), self.ranking
        if ranking is not None:
            expected = self._expected_factors(ranking.model.item_factors, known, new)
            larger = ranking.model.with_items(expected, ranking.user_vectors, indptr, users, stars)
            ranking = replace(ranking, model=larger, index=None)
        return replace(self, model=model, ranking=ranking)

    def _expected_factors(self, factors: Tensor, known: pd.DataFrame, new: pd.DataFrame) -> Tensor:
        """What the features of new items say of their factors in the ranking head, (m, k).

        A rated item counts by the root of its ratings: between a film like any other, which next
        to nobody chooses, and a film that somebody chose.
        """
        counts = torch.from_numpy(known["n_ratings"].to_numpy(np.float64))
        rated, features = torch.nonzero(counts)[:, 0], find_features(known)
        if not len(rated):
            return factors.new_zeros(len(new), factors.shape[1])
        design = torch.from_numpy(design_matrix(features, known))[rated].double()
        found = ridge(design, factors[rated + 1].double().cpu(), counts[rated].sqrt())
        numbers = torch.from_numpy(design_matrix(features, new))
        return (found.intercept + numbers @ found.weights).to(factors)

    def stars(self, vectors: Tensor, items: Tensor, added: Tensor | float = 0.0) -> Tensor:
        """Stars within the scale for the item beside each vector: (B, d) and (B,) to (B,)."""
        return (self.model.stars(vectors, items) + added).clamp(self.scale.min, self.scale.max)

    def standard_deviations(self, people: UserVectors, items: Tensor) -> Tensor:
        """Standard deviations of people's ratings of items, of a single person or one each.

        Raises
        ------
        ValueError
            There is no estimate of the noise of a rating, or it is not known who rated what.
        """
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
            self.model.predictive_variance(self.prior, vector, self.rows(rated), own)
            for vector, rated, own in zip(
                people.rating,
                people.rated,
                items.split(1) if len(people.rating) > 1 else [items],
                strict=True,
            )
        ]
        return torch.cat(variances).sqrt()

    def effects(
        self,
        codes: Codes,
        stars: Tensor,
        items: Tensor,
        vector: Tensor | None = None,
        features: Tensor | None = None,
    ) -> Tensor:
        """How far each of somebody's ratings moves the stars of items; see `models.effects`."""
        prior = self.prior_of(features)
        prior = replace(prior, mean=prior.mean.reshape(-1))
        rated, stars = self.rows(codes), stars.to(self.device)
        return self.model.effects(prior, rated, stars, items, vector)

    def questions(
        self,
        given: History,
        features: Tensor | None,
        hidden: Tensor,
        log_popularity: Tensor,
        n: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Items to ask a single visitor about next; see `models.next_questions`.

        Parameters
        ----------
        given : History
            The visitor's ratings, in one row.
        features : Tensor, shape (1, p), optional
            Of the visitor's profile.
        hidden : Tensor of bool, shape (n_items,)
            Items that are not asked about, rated ones among them.
        log_popularity : Tensor, shape (n_items,)
            ``log(1 + number of ratings)``.
        n : int
            Questions.
        """
        visitor = self.visitors(given, features)
        ranking = None
        if visitor.ranking is not None and self.ranking is not None:
            ranking = self.ranking.model, visitor.ranking[0]
        return next_questions(
            self.model, self.prior, visitor.rating[0], self.rows(given.items),
            torch.from_numpy(given.stars).to(self.device), log_popularity.expm1(),
            hidden.to(self.device), ranking, n,
        )  # fmt: skip

    def best(
        self,
        people: UserVectors,
        n: int,
        choice: ListOptions,
        hidden: Tensor,
        log_popularity: Tensor,
        room: Tensor,
        *,
        approximate: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose the n best items of each person.

        Parameters
        ----------
        people : People
            B of them; what they have rated is left out.
        n : int
            Items a person.
        choice : Choice
            How scores become a list.
        hidden : Tensor of bool, shape (n_items,)
            Items that may not appear.
        log_popularity : Tensor, shape (n_items,)
            ``log(1 + number of ratings)``.
        room : Tensor, shape (at least B, n_items)
            Memory for the scores.
        approximate : bool
            Whether to search the ranking head's index instead of scoring every item.

        Returns
        -------
        rows, items, scores : Tensor, shape (at most B * n,)
            Rows of `people` and item codes, best first within each person.
        """
        if approximate:
            return self._nearly_best(people, n, choice, hidden)
        if people.ranking is None or self.ranking is None or choice.order_by == "stars":
            scores = self.model.stars_grid(people.rating)
        else:
            vectors = people.ranking
            own_room = room[: len(vectors)] if vectors.device == room.device else None
            scores = self.ranking.model.scores(vectors, out=own_room)
        scores.index_fill_(1, places(hidden).to(scores.device), -torch.inf)
        return choose(scores, people.rated, n, choice, log_popularity, self.item_vectors())

    def _nearly_best(
        self, people: UserVectors, n: int, choice: ListOptions, hidden: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What `best` gives, but for a few items in a hundred that the index passes over."""
        assert people.ranking is not None and self.ranking is not None
        assert self.ranking.index is not None
        found = []
        for row, vector in enumerate(people.ranking):
            own = hidden.to(self.device)
            if people.rated:
                own = own.index_fill(0, self.rows(people.rated[row]), True)
            scores, items = self.ranking.index.search(vector, candidates(n, choice), own)
            scores, items = best_of(scores, items, n, choice, self.item_vectors())
            found.append((torch.full_like(items, row), items, scores))
        rows, items, scores = (torch.cat(parts) for parts in zip(*found, strict=True))
        return rows, items, scores

    def item_vectors(self) -> Tensor:
        """Vectors that say which items are alike, shape (n_items, k): the ranking head's if any."""
        if self.ranking is None:
            return self.model.item_embeddings()
        return self.ranking.model.item_vectors()
