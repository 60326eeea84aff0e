"""Lists that people believe: as well known as asked for, near what they like, one of a series."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType

import torch
from torch import Tensor

from hf_cf.inference.top_n import Familiarity, ListOptions, best_of, discount_popularity
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.inference.users import UserVectors

LIKENESS = 2.0
"""How much likeness to what somebody likes counts; chosen by ``benchmarks/visitor_blend.py``."""

_ALIKE = 0.25  # an item this much like a disliked one is not shown, unless a liked one is nearer


@dataclass(frozen=True)
class Blend:
    """A blend of score and popularity.

    Attributes
    ----------
    novelty : float
        How much the well known gives way to the less known; see `top_n.discount_popularity`.
    first, last : float
        Bounds by rank of popularity, from 0 to 1: an item may appear if the items that are better
        known hold at least `first` and less than `last` of all ratings.
    half_beyond : float
        At most every second item is of the best known ones that hold this share of all ratings,
        while there are others.
    """

    novelty: float
    first: float = 0.0
    last: float = 1.0
    half_beyond: float = 0.0


FAMILIARITIES: Mapping[str, Blend] = MappingProxyType(
    {
        "favourites": Blend(0.0, last=0.5),
        "mix": Blend(0.4, half_beyond=0.5),
        "lesser_known": Blend(0.4, first=0.25),
        "hidden_gems": Blend(0.4, first=0.5),
    }
)
"""Favourites are of the best known items that hold half of all ratings, hidden gems of the others.

Lesser known is what is outside the best known quarter; half of a mix is no favourite.
"""


def outside(model: TrainedModel, familiarity: Familiarity) -> Tensor:
    """Which items are better or less known than asked for, bool, shape (n_items,)."""
    blend, share = FAMILIARITIES[familiarity], model.share_of_better_known
    return (share < blend.first) | (share >= blend.last)


def believable(
    model: TrainedModel,
    users: UserVectors,
    row: int,
    scores: Tensor,
    items: Tensor,
    n: int,
    options: ListOptions,
) -> tuple[Tensor, Tensor]:
    """Choose n of a user's candidates.

    With s the score, c the number of ratings, and d the mean of the item's likeness to what the
    user has rated, weighted by how far each rating is from the middle of the scale, the order is::

        s * (1 + c) ** (-novelty / 2) * exp(LIKENESS * d)

    An item does not appear if its predicted stars are below what this user usually gives, if it is
    like something that they dislike (more than like anything that they like), or of the same
    series as that. Of each series the best one appears.

    Parameters
    ----------
    model : TrainedModel
    users : UserVectors
    row : int
        Whose list it is.
    scores, items : Tensor, shape (m,)
        Scores and codes of the candidates; ``-inf`` for what must not appear.
    n : int
    options : ListOptions
        With a familiarity.

    Returns
    -------
    scores, items : Tensor, shape (at most n,)
        Best first; scores are those of the order.
    """
    scores, kept, disliked = judged(model, users, row, scores, items, options)
    return picked(model, scores, kept, items, n, options, disliked)


def judged(
    model: TrainedModel,
    users: UserVectors,
    row: int,
    scores: Tensor,
    items: Tensor,
    options: ListOptions,
) -> tuple[Tensor, Tensor, set[str]]:
    """What the order of `believable` follows, which candidates may appear, and disliked series."""
    assert options.familiarity is not None
    scorer = model.scorer
    kept = scores > -torch.inf
    if users.ranking is not None and options.order_by == "score":
        novelty = max(options.novelty, FAMILIARITIES[options.familiarity].novelty)
        scores = discount_popularity(scores, model.log_popularity.index_select(0, items), novelty)
    disliked: set[str] = set()
    rated, weights = _opinions(model, users, row)
    if len(rated):
        own, theirs = model.similarity.vectors(items), model.similarity.vectors(rated)
        pull = own @ (weights @ theirs) / (weights.abs().sum() + 1)
        scores = torch.where(scores > 0, scores * torch.exp(LIKENESS * pull), scores)
        below = weights < 0
        if below.any():
            kept &= ~_like_a_disliked_one(own, theirs[~below], theirs[below])
            disliked = {model.catalogue.series_of(code) for code in rated[below].tolist()}
    if scorer.predicts_stars:
        both = torch.cat([items, model.typical_items])
        stars = scorer.rating.model.stars_grid(users.rating[row : row + 1], both)[0]
        kept &= stars[: len(items)] >= stars[len(items) :].mean()
    return scores, kept, disliked


def picked(
    model: TrainedModel,
    scores: Tensor,
    kept: Tensor,
    items: Tensor,
    n: int,
    options: ListOptions,
    disliked: set[str],
) -> tuple[Tensor, Tensor]:
    """The n best of those that may appear: one of a series, and as well known as asked for."""
    assert options.familiarity is not None
    order = scores.masked_fill(~kept, -torch.inf).argsort(descending=True, stable=True)
    ranked = items[order[: int(kept.sum())]]
    is_known = model.share_of_better_known[ranked] < FAMILIARITIES[options.familiarity].half_beyond
    most = len(ranked) if options.diversity else n
    singles = _one_of_a_series(model, ranked.tolist(), is_known.tolist(), disliked)
    picks = list(islice(_every_second(singles), most))
    best = order[torch.tensor(picks, dtype=torch.int64, device=order.device)]
    return best_of(scores[best], items[best], n, options, model.similarity.vectors)


def _like_a_disliked_one(own: Tensor, liked: Tensor, disliked: Tensor) -> Tensor:
    """Which items, vectors (m, k), are like a disliked one, and less like any liked one: (m,)."""
    nearest = (own @ disliked.T).amax(1)
    alike = nearest >= _ALIKE
    if len(liked):
        near = torch.nonzero(alike)[:, 0]
        alike[near] = (own[near] @ liked.T).amax(1) < nearest[near]
    return alike


def _opinions(model: TrainedModel, users: UserVectors, row: int) -> tuple[Tensor, Tensor]:
    """What a user has rated, codes, and how much they like it, -1 to 1: both of shape (r,)."""
    scorer, observed = model.scorer, users.observed
    if observed is None:
        return torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    rated, stars = observed.of(row)
    items, weights = scorer.rows(rated), torch.ones(len(rated), device=scorer.device)
    if scorer.predicts_stars:
        middle = (scorer.scale.min + scorer.scale.max) / 2
        weights = (torch.from_numpy(stars).to(weights) - middle) / (scorer.scale.max - middle)
    return items, weights


def _one_of_a_series(
    model: TrainedModel, items: list[int], is_known: list[bool], disliked: set[str]
) -> Iterator[tuple[int, bool]]:
    """Place of the first item of each series, and whether it is well known."""
    seen = set(disliked)
    for place, (item, known) in enumerate(zip(items, is_known, strict=True)):
        series = model.catalogue.series_of(item)
        if series not in seen:
            seen.add(series)
            yield place, known


def _every_second(singles: Iterator[tuple[int, bool]]) -> Iterator[int]:
    """Places in order, but of two well known items in a row the second waits for another."""
    waiting, ahead = deque[int](), 0
    for place, known in singles:
        if known and ahead:
            waiting.append(place)
            continue
        ahead += 1 if known else -1
        ahead = max(ahead, 0)
        yield place
        if waiting and not ahead:
            ahead = 1
            yield waiting.popleft()
    yield from waiting
