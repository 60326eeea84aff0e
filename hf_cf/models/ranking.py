"""The ranking head: what a user would choose to watch and like, for every item at once.

It is a second answer next to the stars of a `RatingModel`. A user is a vector here too, but it is
never looked up from training: it is solved from ratings in closed form, so that somebody seen in
training and a visitor go through the same lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from hf_cf.models.base import rebuilt
from hf_cf.models.solver import Prior, SparseRows, solve_rows

ENTRIES_AT_ONCE = 2**22


class ImplicitALS(nn.Module):
    """Matrix factorization of what people chose, graded by how they liked it.

    ``score = user vector . item factor``. With p the preference that a rating stands for, w the
    weight of a rating and s the score, a user's vector x minimises::

        sum_rated w (p - s)**2  +  unobserved * sum_all (s - c a)**2 / f  +  ridge * |x - c u|**2
        ridge = regularization * (sum_rated w + unobserved * effective_items) ** exponent
        f     = 1 + few_ratings / number of ratings
        c     = average_weight / (average_weight + f * sum_rated w)

    with u the average user and a their score for the item. While the factors are trained u is zero
    and f is one; they make a visitor with a rating or two start from what most people watch, and
    take little from what that visitor has not mentioned yet.

    That is iALS with frequency-scaled regularisation, of Rendle, Krichene, Zhang and Koren (2021),
    "Revisiting the Performance of iALS on Item Recommendation Benchmarks", equations 1 to 4, after
    Hu, Koren and Volinsky (2008), "Collaborative Filtering for Implicit Feedback Datasets", with
    two changes. There every p is 1. Here it grows with the stars: having watched a film and found
    it fair says something about taste, though less than having loved it, and a disliked film has
    a p below what any film is predicted, with a small weight, so that it pushes its neighbours
    down. And the ridge counts effective items (see `effective_number`) rather than all, so that
    one setting fits catalogues with long and with short tails.

    Parameters
    ----------
    n_items : int
        Rows of the item table, ``#na#`` included.
    factors : int
        Length k of user and item vectors.
    preference : sequence of 5 floats
        What 1, 2, 3, 4 and 5 stars out of five stand for, and by linear interpolation all between.
    weight : sequence of 5 floats
        How much a rating of 1 to 5 stars counts, likewise.
    unobserved : float
        Weight of "an item is not liked" for every item, rated or not.
    regularization, exponent : float
        See above.
    effective_items : float
        How many items the ridge counts in addition to the rated ones.
    average_weight : float
        How much the average user counts against a user's own ratings, in units of their weights.
    few_ratings : float
        Number of ratings after which not having rated an item counts half of what it will.
    typical_strength : float, optional
        Of implicit feedback, the strength of an interaction that weighs 1; every preference is 1,
        and the weight of another strength r is ``(r / typical_strength) ** strength_power``. None
        for ratings.
    strength_power : float
        See above; at 0 every interaction weighs 1.
    low, high : float
        The rating scale. Ratings are read as parts of `high` (4 of 5 is 8 of 10), or, on a
        scale that goes below zero, as parts of the way from `low` to `high`.

    Attributes
    ----------
    settings : dict
        The keyword arguments that build the same module again; plain JSON values.
    vector_size : int
        Length of a user vector.
    item_factors : Tensor, shape (n_items, k)
    gram : Tensor, shape (k, k)
        ``unobserved * item_factors.T @ item_factors``.
    average_user : Tensor, shape (k,)
        Mean vector of the users of the training, for somebody of whom nothing is known.
    """

    name: ClassVar[str] = "implicit_als"
    item_factors: Tensor
    gram: Tensor
    average_user: Tensor

    def __init__(
        self,
        n_items: int,
        *,
        factors: int,
        preference: Sequence[float],
        weight: Sequence[float],
        unobserved: float,
        regularization: float,
        exponent: float,
        effective_items: float = 0.0,
        average_weight: float = 0.0,
        few_ratings: float = 0.0,
        typical_strength: float | None = None,
        strength_power: float = 0.0,
        low: float = 0.5,
        high: float = 5.0,
    ) -> None:
        super().__init__()
        self.settings: dict[str, Any] = {
            "n_items": n_items,
            "factors": factors,
            "preference": list(preference),
            "weight": list(weight),
            "unobserved": unobserved,
            "regularization": regularization,
            "exponent": exponent,
            "effective_items": effective_items,
            "average_weight": average_weight,
            "few_ratings": few_ratings,
            "low": low,
            "high": high,
        }
        if typical_strength is not None:
            self.settings |= {
                "typical_strength": typical_strength, "strength_power": strength_power
            }  # fmt: skip
        self.vector_size = factors
        self.register_buffer("item_factors", torch.zeros(n_items, factors))
        self.register_buffer("gram", torch.zeros(factors, factors))
        self.register_buffer("average_user", torch.zeros(factors))

    def user_vectors(
        self,
        indptr: Tensor,
        items: Tensor,
        ratings: Tensor,
        average: Tensor | None = None,
        importance: Tensor | None = None,
    ) -> Tensor:
        """Vectors of users, known or new, from their ratings.

        Parameters
        ----------
        indptr : Tensor of int64, shape (B + 1,)
            User b gave the ratings ``indptr[b]`` to ``indptr[b + 1]``.
        items : Tensor of int32 or int64, shape (n,)
            Codes of the rated items.
        ratings : Tensor of float32, shape (n,)
            On the scale `low` to `high`.
        average : Tensor, shape (k,) or (B, k), optional
            Where the users start from; `average_user` where not given.
        importance : Tensor, shape (n,), optional
            What each rating's weight is multiplied by, such as `recency`.

        Returns
        -------
        Tensor, shape (B, k)
            `average` for a user without ratings.
        """
        average = self.average_user if average is None else average
        factors, n_users = self.item_factors, len(indptr) - 1
        if n_users == 1 and not len(items):
            return average.expand(1, -1)
        if n_users > 1 and len(items) < len(factors):
            # The solver copies the table it works on: a visitor's few items rather than all.
            used, items = items.unique(return_inverse=True)
            factors = factors[used]
        vectors = solve_rows(
            *self._equations(indptr, items, ratings, factors, average, importance)
        ).mean
        if n_users == 1:
            return vectors
        return torch.where((indptr.diff() > 0)[:, None], vectors, average)

    def posterior_gradients(self, items: Tensor, ratings: Tensor, candidates: Tensor) -> Tensor:
        """Derivatives of a user's scores by coordinates in which what is not known is N(0, I).

        The user has given `ratings`, (n,), to `items`, (n,); the gradients are those of the scores
        of `candidates`, (m,) to (m, k), in deviations of the noise of what a single item says.
        """
        *_, lower = self._posterior(items, ratings)
        factors = self.item_factors[candidates]
        return torch.linalg.solve_triangular(lower, factors.T, upper=False).T

    def effects(self, items: Tensor, ratings: Tensor, targets: Tensor) -> Tensor:
        """How far each rating of a user moves the scores of items, (m, n).

        The user's vector is linear in the preferences, so that with A the matrix of the equations,
        y the target's factor, and w, p and f the weight, preference and factor of a rating, its
        part of the score is ``w p y' A^-1 f``; the rest of the score comes from `average_user`.
        """
        rows, rated, lower = self._posterior(items, ratings)
        solved = torch.cholesky_solve(self.item_factors[targets].T, lower)
        weighted = rows.values.to(rated.dtype) * rows.weights
        return (rated @ solved * weighted[:, None]).T

    def _posterior(self, items: Tensor, ratings: Tensor) -> tuple[SparseRows, Tensor, Tensor]:
        """A user's equations, the rated factors, (n, k), and the matrix's Cholesky factor."""
        n = len(items)
        indptr = torch.tensor([0, n], device=items.device)
        entries = torch.arange(n, device=items.device)
        rows, factors, prior = self._equations(
            indptr, entries, ratings, self.item_factors[items], self.average_user
        )
        lower = solve_rows(rows, factors, prior, cholesky=True).cholesky
        assert lower is not None
        return rows, factors, lower[0]

    def _equations(
        self,
        indptr: Tensor,
        columns: Tensor,
        ratings: Tensor,
        factors: Tensor,
        average: Tensor,
        importance: Tensor | None = None,
    ) -> tuple[SparseRows, Tensor, Prior]:
        """What the solver is to solve for users who start from `average`, (k,) or (B, k)."""
        rows = self.graded(indptr, columns, ratings)
        if importance is not None:
            rows = replace(rows, weights=rows.weights * importance)
        if rows.n_rows == 1:  # a visitor waits for this one: plain numbers are faster
            weights = rows.weights
            n = len(columns)
            mass = float(weights.sum()) if isinstance(weights, Tensor) else n * weights
            more, share, ridge = self._pulls(max(n, 1), mass)
            rows = SparseRows(indptr, columns, rows.values, more * weights)
            return rows, factors, Prior(ridge, self.gram, share * average)
        # f differs by row and `gram` is shared: so all but the unobserved part is multiplied by f.
        counts = indptr.diff()
        more, share, ridge = self._pulls(counts.clamp_min(1), row_weights(rows))
        rows = replace(rows, weights=more.repeat_interleave(counts) * rows.weights)
        mean = share[:, None].to(factors.dtype) * average
        return rows, factors, Prior(ridge.to(factors.dtype), self.gram, mean)

    def _pulls(self, counts: Any, mass: Any) -> tuple[Any, Any, Any]:
        """What is f, what is c, and the ridge, f times itself: of one user, or of each, (B,)."""
        weight = self.settings["average_weight"]
        more = 1 + self.settings["few_ratings"] / counts
        share = weight / (weight + more * mass + 1e-12)
        return more, share, more * self._ridge(mass, self.settings["effective_items"])

    def scores(
        self, vectors: Tensor, items: Tensor | None = None, *, out: Tensor | None = None
    ) -> Tensor:
        """Scores of every vector for every item: (B, k) and (m,) to (B, m); None: all items.

        About 1 for an item that the user is sure to choose and like, about 0 for one of the many
        that the user would never choose; only their order means more. They are written to `out`,
        shape (B, m), where it is given.
        """
        factors = self.item_factors if items is None else self.item_factors[items]
        return torch.mm(vectors, factors.T, out=out)

    def set_items(self, item_factors: Tensor) -> None:
        """Take over trained item factors, (n_items, k)."""
        self.item_factors.copy_(item_factors)
        self.gram.copy_(self.settings["unobserved"] * item_factors.T @ item_factors)

    def with_items(
        self,
        expected: Tensor,
        user_vectors: Tensor,
        indptr: Tensor,
        users: Tensor,
        ratings: Tensor,
    ) -> ImplicitALS:
        """Return the same model with m more items, of which little is known.

        With e the factor that is expected of an item, its factor y minimises over users u, whose
        vectors are x::

            sum_rated w (p - x y)**2  +  unobserved * sum_all (x y - x e)**2  +  ridge * |y - e|**2

        so that y is e without ratings. `gram` stays: that nobody chose an item before it was there
        says nothing of anybody's taste.

        Parameters
        ----------
        expected : Tensor, shape (m, k)
        user_vectors : Tensor, shape (n_users, k)
        indptr : Tensor of int64, shape (m + 1,)
            New item j has the ratings ``indptr[j]`` to ``indptr[j + 1]``.
        users, ratings : Tensors, shape (n,)
            Codes of who gave them, and the ratings.
        """
        rows = self.graded(indptr, users, ratings)
        ridge = self._ridge(row_weights(rows), len(user_vectors)).to(expected.dtype)
        gram = self.settings["unobserved"] * user_vectors.T @ user_vectors
        new = solve_rows(rows, user_vectors, Prior(ridge, gram, expected)).mean
        n_items = self.settings["n_items"] + len(new)
        factors = torch.cat([self.item_factors, new])
        state = {**self.state_dict(), "item_factors": factors}
        return rebuilt(self, {**self.settings, "n_items": n_items}, state)

    def graded(self, indptr: Tensor, columns: Tensor, ratings: Tensor) -> SparseRows:
        """Rows for the solver: ratings turned into preferences and weights."""
        typical = self.settings.get("typical_strength")
        if typical is not None:
            power = self.settings["strength_power"]
            weights = (ratings / typical).clamp_(1e-3, 1e3) ** power if power else 1.0
            return SparseRows(indptr, columns, torch.ones_like(ratings), weights)
        values, *weights = self._by_stars(ratings)
        weight = weights[0] if weights else float(self.settings["weight"][0])
        return SparseRows(indptr, columns, values, weight)

    def solve(
        self,
        rows: SparseRows,
        factors: Tensor,
        gram: Tensor,
        effective: float,
        means: Tensor | None = None,
    ) -> Tensor:
        """One half of an alternation: the rows' vectors for given factors of the columns.

        `effective` is the effective number of columns. Rows without entries get their row of
        `means`, (n_rows, k), where it is given; the others are drawn towards it.
        """
        ridge = self._ridge(row_weights(rows), effective).to(factors.dtype)
        if means is not None:
            return solve_rows(rows, factors, Prior(ridge, gram, means)).mean
        return solve_rows(rows, factors, Prior(ridge), gram=gram).mean

    def _ridge(self, mass: Tensor, effective: float) -> Tensor:
        total = mass + self.settings["unobserved"] * effective
        return self.settings["regularization"] * total ** self.settings["exponent"]

    @cached_property
    def _curves(self) -> tuple[Tensor, Tensor]:
        """Preference, weight unless it is the same for all, and their gradients: twice (c, 5)."""
        weight = self.settings["weight"]
        curves = [self.settings["preference"], *([weight] if len(set(weight)) > 1 else [])]
        knots = torch.tensor(curves, dtype=torch.float32)
        return knots, torch.nn.functional.pad(knots.diff(), (0, 1))

    def _by_stars(self, ratings: Tensor) -> Tensor:
        """Read the curves, which are given at 1 to 5 stars out of five: (n,) to (c, n)."""
        floor = min(self.settings["low"], 0.0)
        knots, gradients = (table.to(ratings.device) for table in self._curves)
        read = torch.empty(len(knots), len(ratings), device=ratings.device)
        for part, into in zip(
            ratings.split(ENTRIES_AT_ONCE), read.split(ENTRIES_AT_ONCE, dim=1), strict=True
        ):
            stars = (part - floor) * (5 / (self.settings["high"] - floor)) - 1
            stars = stars.clamp_(0, knots.shape[1] - 1)
            below = stars.int()
            at_knots, gradient = knots.index_select(1, below), gradients.index_select(1, below)
            torch.addcmul(at_knots, gradient, stars - below, out=into)
        return read


def row_weights(rows: SparseRows) -> Tensor:
    """Sum of the weights of each row's entries, float64, shape (n_rows,)."""
    if not isinstance(rows.weights, Tensor):
        return rows.indptr.diff().double() * rows.weights
    running = torch.nn.functional.pad(rows.weights.cumsum(0, dtype=torch.float64), (1, 0))
    return running[rows.indptr].diff().clamp_min_(0)


def recency(indptr: Tensor, half_life: float, least: float) -> Tensor:
    """How much each rating counts by how many newer ones its user gave, float32, shape (n,).

    ``least + (1 - least) * 2 ** (-newer / half_life)``, where each row's ratings are in the order
    of their times: what somebody watched lately says more about what they watch next.
    """
    lengths = indptr.diff()
    newer = indptr[1:].repeat_interleave(lengths) - 1 - torch.arange(int(indptr[-1])).to(indptr)
    return least + (1 - least) * torch.exp2(-newer.float() / half_life)


def effective_number(rows: SparseRows) -> float:
    """How many equally active rows would meet by chance as often as these (inverse Simpson).

    A catalogue of 10,000 films of which most were rated once has far fewer effective films; the
    rest hardly matter to a sum over all films.
    """
    weights = row_weights(rows)
    return float(weights.sum() ** 2 / weights.square().sum().clamp_min(1e-12))
