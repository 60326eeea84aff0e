"""What a trained model answers, as arrays; tables, JSON and metrics are renderings of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hf_cf.data.vocab import Codes
from hf_cf.errors import InvalidArgument, demand_at_least_1
from hf_cf.inference.familiarity import believable, outside
from hf_cf.inference.filters import Filters
from hf_cf.inference.questions import next_questions
from hf_cf.inference.reasons import Reasons, speaking
from hf_cf.inference.scorer import Scorer
from hf_cf.inference.top_n import (
    ListOptions,
    best_of,
    candidates,
    choose,
    hide_rated,
    in_rows,
    places,
    top_n,
)
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.inference.users import KnownUsers, Users, UserVectors, Visitors
from hf_cf.models.threads import in_parallel, limited_to, threads_for

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_LEAST_EFFECT = 0.005  # of a reason, as a share of the scale: 0.02 of five stars

_BY_SCORE, _ALL_ITEMS = ListOptions(), Filters()

INDEX_FROM = 250_000
"""Items from which on an index is searched; fewer are all scored in 10 ms."""


@dataclass(frozen=True, eq=False)
class Answer:
    """Items for users, one an entry.

    Attributes
    ----------
    rows : int64 array, shape (m,)
        Which of the asking users, from 0.
    items : int64 array, shape (m,)
        Codes of the items; of a list, best first within each user.
    stars : float32 array, shape (m,), optional
        Predicted stars, within the scale; None where the model predicts none.
    scores : float32 array, shape (m,), optional
        What the order of a list follows.
    standard_deviations : float32 array, shape (m,), optional
        Predictive standard deviations of the stars; None where they were not asked for, or cannot
        be known.
    reasons : Reasons, optional
        One row an item, where they were asked for.
    """

    rows: Ints
    items: Ints
    stars: Floats | None
    scores: Floats | None = None
    standard_deviations: Floats | None = None
    reasons: Reasons | None = None

    def lists(self, n_users: int, n: int) -> Codes:
        """The items as one row a user, int32, shape (n_users, n); 0 where a list is shorter."""
        table = np.zeros((n_users, n), np.int32)
        places_in_list = np.arange(len(self.rows)) - np.searchsorted(self.rows, self.rows)
        table[self.rows, places_in_list] = self.items
        return table


@torch.inference_mode()
def recommend(
    model: TrainedModel,
    users: Users,
    n: int,
    options: ListOptions = _BY_SCORE,
    filters: Filters = _ALL_ITEMS,
    *,
    include_rated: bool = False,
    approximate: bool | None = None,
    with_deviations: bool = False,
    n_reasons: int = 0,
) -> Answer:
    """Recommend the n best items to each user.

    Parameters
    ----------
    model : TrainedModel
    users : KnownUsers or Visitors
    n : int
        Items a user; fewer where no more pass the filters.
    options : ListOptions
        What the order follows, novelty, diversity.
    filters : Filters
        Which items may appear.
    include_rated : bool
        Whether items may appear that the user has rated.
    approximate : bool, optional
        Whether to search the index; where not given, in catalogues above `INDEX_FROM` items.
        Given items are all scored.
    with_deviations : bool
        Whether standard deviations are wanted, where the model can say.
    n_reasons : int
        Most ratings to name for each item, for a single user whose ratings are known: those that
        speak for it; see `hf_cf.inference.reasons`.

    Raises
    ------
    ValueError
        A parameter is out of its range, or there is no index to search.
    UnknownItem
        The filters name an item that the catalogue does not have.
    """
    demand_at_least_1(n)
    search = _search_index(model, approximate, options) and filters.items is None
    hidden = torch.from_numpy(filters.hidden(model.catalogue))
    if options.familiarity is not None:
        hidden |= outside(model, options.familiarity).cpu()
    scorer, size = model.scorer, model.users_at_once
    found: dict[int, Answer] = {}

    def worker() -> Callable[[tuple[int, Users]], None]:
        # All blocks write their scores to the same memory: memory that is used for the first time
        # takes longer than computing the scores.
        room = torch.empty(min(len(users), size), len(model.items), device=scorer.device)

        def recommend_to(block: tuple[int, Users]) -> None:
            start, part = block
            vectors = scorer.vectors(part)
            rated = [] if include_rated else vectors.rated
            if search:
                rows, items, scores = _nearly_best(model, vectors, rated, n, options, hidden)
            else:
                rows, items, scores = _best(model, vectors, rated, n, options, hidden, room)
            answer = Answer(
                _array(rows) + start,
                _array(items),
                _array(scorer.stars(vectors.rating[rows], items))
                if scorer.predicts_stars
                else None,
                _array(scores),
            )
            if len(users) == 1:
                more = (with_deviations, n_reasons)
                answer = _with_details(model, part, vectors, items, answer, *more)
            found[start] = answer

        return recommend_to

    blocks = list(_blocks(users, size))
    in_parallel(worker, blocks, _threads(model, len(users)))
    parts = [found[start] for start, _ in blocks]
    return parts[0] if len(parts) == 1 else _joined(parts)


def _threads(model: TrainedModel, n_users: int) -> int:
    """Threads for scores of all items for some users; one on a GPU."""
    if model.scorer.device.type != "cpu":
        return 1
    return threads_for(float(n_users) * len(model.items) * model.scorer.item_factors().shape[1])


@torch.inference_mode()
def predict(
    model: TrainedModel,
    users: Users,
    items: Codes,
    *,
    times: Tensor | None = None,
    with_deviations: bool = False,
) -> Answer:
    """Predict the stars of items, of a single user or one user an item.

    Parameters
    ----------
    model : TrainedModel
    users : KnownUsers or Visitors
        One, or one an item.
    items : int32 array, shape (m,)
        Codes.
    times : int64 Tensor, shape (m,), optional
        When known users rate, in seconds since 1970, for a model that knows of times.
    with_deviations : bool
        Whether standard deviations are wanted.

    Raises
    ------
    ValueError
        Standard deviations are wanted and cannot be known; or the model knows of no times.
    """
    if len(users) not in (1, len(items)):
        raise InvalidArgument(f"{len(users)} users and {len(items)} items: give one item a user")
    scorer, rows = model.scorer, model.scorer.rows(items)
    added: Tensor | float = 0.0
    with limited_to(threads_for(float(len(items)) * scorer.rating.model.vector_size)):
        vectors = scorer.vectors(users)
        if times is not None:
            if not isinstance(users, KnownUsers):
                raise InvalidArgument(
                    "when= is for known users: a visitor's other sessions are not known"
                )
            known = scorer.rows(users.codes).expand(len(items))
            added = scorer.rating.model.stars_of_time(known, times.to(scorer.device))
        stars = scorer.stars(vectors.rating, rows, added)
        deviations = _array(scorer.standard_deviations(vectors, rows)) if with_deviations else None
    asking = np.zeros(len(items), np.int64) if len(users) == 1 else np.arange(len(items))
    return Answer(asking, items.astype(np.int64), _array(stars), standard_deviations=deviations)


@torch.inference_mode()
@limited_to(1)
def explain(model: TrainedModel, user: Users, items: Codes, n: int) -> Reasons:
    """Say which of a single user's ratings moved the predicted stars of items most.

    A known user's effects are those on the vector that their history implies, which is near the
    trained one.

    Raises
    ------
    ValueError
        A known user is asked about without a history.
    """
    demand_at_least_1(n)
    return _reasons(model.scorer, _as_visitor(user), model.scorer.rows(items), n)


@torch.inference_mode()
@limited_to(1)
def questions(
    model: TrainedModel, visitor: Visitors, n: int, exclude: Any = ()
) -> tuple[Ints, Floats, Floats]:
    """Choose the items to ask a single visitor about next.

    Returns
    -------
    items, chances, gains : arrays, shape (at most n,)
        Codes, best first; see `hf_cf.inference.questions.next_questions`.
    """
    demand_at_least_1(n)
    hidden = Filters(exclude=exclude).hidden(model.catalogue)
    hidden[visitor.observed.items] = True
    scorer = model.scorer
    vectors = scorer.vectors(visitor)
    ranking = None
    if vectors.ranking is not None and scorer.ranking is not None:
        ranking = scorer.ranking.model, vectors.ranking[0]
    _, rated, stars = scorer.tensors(visitor.observed)
    found = next_questions(
        scorer.rating.model, scorer.rating.prior, vectors.rating[0], rated, stars,
        model.log_popularity.expm1(), torch.from_numpy(hidden).to(scorer.device), ranking, n,
    )  # fmt: skip
    items, chances, gains = map(_array, found)
    return items, chances, gains


@torch.inference_mode()
def similar(model: TrainedModel, code: int, n: int) -> tuple[Ints, Floats]:
    """Codes of the n items most like one, and how alike they are, best first."""
    demand_at_least_1(n)
    with limited_to(_threads(model, 1)):
        similarity = model.similarity.to_item(code)
        similarity[[0, code]] = -torch.inf
        best = similarity.topk(min(n, len(model.items) - 2))
    return _array(best.indices), _array(best.values)


def _search_index(model: TrainedModel, wanted: bool | None, options: ListOptions) -> bool:
    ranking = model.scorer.ranking
    exact = options.novelty and options.familiarity is None
    possible = options.order_by == "score" and not exact
    has_index = ranking is not None and ranking.index is not None
    if wanted is None:
        return possible and has_index and len(model.items) > INDEX_FROM
    if wanted and not has_index:
        raise InvalidArgument("there is no index to search; make one with rec.build_index()")
    if wanted and not possible:
        raise InvalidArgument(
            "the order of the stars, and novelty, are exact; leave approximate out"
        )
    return wanted


def _blocks(users: Users, size: int) -> Iterator[tuple[int, Users]]:
    if len(users) <= size:
        yield 0, users
        return
    for start in range(0, len(users), size):
        yield start, users.take(np.arange(start, min(start + size, len(users))))


def _best(
    model: TrainedModel,
    users: UserVectors,
    rated: Sequence[Codes],
    n: int,
    options: ListOptions,
    hidden: Tensor,
    room: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, codes and scores of each user's n best items, of all items."""
    scorer = model.scorer
    scores = scorer.scores(users, by_stars=options.order_by == "stars", out=room)
    scores.index_fill_(1, places(hidden).to(scores.device), -torch.inf)
    if options.familiarity is None:
        return choose(scores, rated, n, options, model.log_popularity, model.similarity.vectors)
    hide_rated(scores, rated)
    values, columns = top_n(scores, candidates(n, options))
    return in_rows(
        believable(model, users, row, own, items, n, options)
        for row, (own, items) in enumerate(zip(values, columns, strict=True))
    )


def _nearly_best(
    model: TrainedModel,
    users: UserVectors,
    rated: Sequence[Codes],
    n: int,
    options: ListOptions,
    hidden: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """What `_best` gives, but for a few items in a hundred that the index passes over."""
    scorer = model.scorer
    assert users.ranking is not None
    assert scorer.ranking is not None
    assert scorer.ranking.index is not None
    found = []
    for row, vector in enumerate(users.ranking):
        own = hidden.to(scorer.device)
        if rated:
            own = own.index_fill(0, scorer.rows(rated[row]), True)
        scores, items = scorer.ranking.index.search(vector, candidates(n, options), own)
        if options.familiarity is None:
            found.append(best_of(scores, items, n, options, model.similarity.vectors))
        else:
            found.append(believable(model, users, row, scores, items, n, options))
    return in_rows(found)


def _with_details(
    model: TrainedModel,
    user: Users,
    vectors: UserVectors,
    items: Tensor,
    answer: Answer,
    with_deviations: bool,
    n_reasons: int,
) -> Answer:
    """The answer to a single user with standard deviations and reasons, where there are any."""
    deviations = reasons = None
    scorer = model.scorer
    if with_deviations and scorer.has_standard_deviations and vectors.observed is not None:
        deviations = _array(scorer.standard_deviations(vectors, items))
    if n_reasons and vectors.observed is not None:
        known = isinstance(user, KnownUsers)
        vector = None if known else vectors.rating[0]
        reasons = _speaking(model, _as_visitor(user), items, n_reasons, vector)
    return replace(answer, standard_deviations=deviations, reasons=reasons)


def _as_visitor(user: Users) -> Visitors:
    if not isinstance(user, KnownUsers):
        return user
    observed = user.observed
    if observed is None:
        raise InvalidArgument("give the model its history first, with rec.attach_history")
    return Visitors(observed)


def _reasons(scorer: Scorer, visitor: Visitors, items: Tensor, n: int) -> Reasons:
    effects = _array(scorer.effects(visitor, items))
    most = np.argsort(-np.abs(effects), axis=1, kind="stable")[:, :n]
    observed = visitor.observed
    return Reasons(observed.items[most], observed.stars[most], np.take_along_axis(effects, most, 1))


def _speaking(
    model: TrainedModel, visitor: Visitors, items: Tensor, n: int, vector: Tensor | None
) -> Reasons:
    scorer, observed = model.scorer, visitor.observed
    effects = _array(scorer.effects(visitor, items, vector))
    if not len(observed.items):
        nothing = np.zeros((len(effects), n), np.float32)
        return Reasons(nothing.astype(np.int32), nothing, nothing)
    likeness = (
        model.similarity.vectors(items) @ model.similarity.vectors(scorer.rows(observed.items)).T
    )
    low, high = scorer.scale.min, scorer.scale.max
    liked = observed.stars > (low + high) / 2 if scorer.predicts_stars else observed.stars > 0
    least = _LEAST_EFFECT * (high - low) if scorer.predicts_stars else 0.0
    chosen = speaking(effects, _array(likeness), liked, n, least)
    absent = chosen < 0
    return Reasons(
        np.where(absent, 0, observed.items[chosen]),
        np.where(absent, 0, observed.stars[chosen]),
        np.where(absent, 0, np.take_along_axis(effects, chosen, 1)),
    )


def _joined(parts: list[Answer]) -> Answer:
    def column(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    stars = column("stars") if parts[0].stars is not None else None
    return Answer(column("rows"), column("items"), stars, column("scores"))


def _array(tensor: Tensor) -> npt.NDArray[Any]:
    return tensor.numpy(force=True)
