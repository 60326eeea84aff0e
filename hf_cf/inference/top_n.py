"""The best few of many scores, exactly and fast, and the same with more variety."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from hf_cf.data.vocab import Codes
from hf_cf.errors import InvalidArgument

_BLOCK = 64
_FEW_SCORES = 2**13  # up to so many, sorting all is faster than looking at blocks first
_CANDIDATES = 100
_CANDIDATES_OF_A_BLEND = 500

Familiarity: TypeAlias = Literal["favourites", "mix", "lesser_known", "hidden_gems"]
"""How well known the items of a list are; see `hf_cf.inference.familiarity`."""

VectorsOf: TypeAlias = Callable[[Tensor], Tensor]


def top_n(scores: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Highest scores of each row and where they stand, best first.

    The best n of a row lie in the n blocks of 64 columns whose maxima are highest, so only those
    blocks are sorted through; the rest is read once.

    Parameters
    ----------
    scores : Tensor, shape (B, m)
        Any order; ``-inf`` for what must not appear.
    n : int
        At most m.

    Returns
    -------
    values, columns : Tensor, shape (B, n)
    """
    rows, width = scores.shape
    n = min(n, width)
    whole = width // _BLOCK * _BLOCK
    if whole // _BLOCK <= n or rows * width <= _FEW_SCORES:
        best = scores.topk(n)
        return best.values, best.indices
    blocks = scores[:, :whole].unflatten(1, (-1, _BLOCK))
    kept = blocks.amax(2).topk(n).indices
    candidates = blocks.gather(1, kept[:, :, None].expand(-1, -1, _BLOCK)).flatten(1)
    columns = (kept[:, :, None] * _BLOCK + torch.arange(_BLOCK, device=scores.device)).flatten(1)
    rest = torch.arange(whole, width, device=scores.device).expand(rows, -1)
    best = torch.cat([candidates, scores[:, whole:]], 1).topk(n)
    return best.values, torch.cat([columns, rest], 1).gather(1, best.indices)


def places(mask: Tensor) -> Tensor:
    """Where a mask, (m,), is true: int64; numpy finds them in a fraction of torch's time."""
    return torch.from_numpy(np.flatnonzero(mask.numpy(force=True))).to(mask.device)


@dataclass(frozen=True)
class ListOptions:
    """How items are chosen from scores.

    Attributes
    ----------
    order_by : {"score", "stars"}
        Whether scores come from the ranking head or are predicted stars.
    novelty : float
        From 0 to 1; see `discount_popularity`.
    diversity : float
        From 0 to 1; see `diversify`.
    familiarity : {"favourites", "mix", "lesser_known", "hidden_gems"}, optional
        A list that people believe; see `hf_cf.inference.familiarity`. Its own novelty counts where
        it is the larger one.
    """

    order_by: Literal["score", "stars"] = "score"
    novelty: float = 0.0
    diversity: float = 0.0
    familiarity: Familiarity | None = None

    def __post_init__(self) -> None:
        if self.order_by not in ("score", "stars"):
            raise InvalidArgument(f"order_by={self.order_by!r}; choose from score, stars")
        if self.familiarity not in (None, *get_args(Familiarity)):
            known = ", ".join(get_args(Familiarity))
            raise InvalidArgument(f"familiarity={self.familiarity!r}; choose from {known}")
        for name in ("novelty", "diversity"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidArgument(f"{name}={getattr(self, name)}; it must lie between 0 and 1")


def choose(
    scores: Tensor,
    rated: Sequence[Codes],
    n: int,
    choice: ListOptions,
    log_popularity: Tensor,
    vectors_of: VectorsOf,
) -> tuple[Tensor, Tensor, Tensor]:
    """Choose the n best items of each row.

    Parameters
    ----------
    scores : Tensor, shape (B, m)
        ``-inf`` for what must not appear. It is changed in place.
    rated : sequence of B int32 arrays
        What each row's user has rated, which does not appear; empty where nothing is hidden.
    n : int
        Items a row; fewer where fewer are left.
    choice : ListOptions
        Novelty and diversity.
    log_popularity : Tensor, shape (m,)
        ``log(1 + n_ratings)``.
    vectors_of : callable
        Gives the vectors of items, codes of shape (m,), that say which are alike: shape (m, k).

    Returns
    -------
    rows, columns, scores : Tensor, shape (at most B * n,)
        Row by row, best first.
    """
    if choice.novelty:
        scores = discount_popularity(scores, log_popularity, choice.novelty)
    hide_rated(scores, rated)
    values, columns = top_n(scores, candidates(n, choice))
    if not choice.diversity or not len(scores):
        rows, places = torch.nonzero(values > -torch.inf, as_tuple=True)
        return rows, columns[rows, places], values[rows, places]
    left = values > -torch.inf
    return in_rows(
        best_of(own[kept], codes[kept], n, choice, vectors_of)
        for own, codes, kept in zip(values, columns, left, strict=True)
    )


def in_rows(lists: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, columns and scores of lists, one a row, each of scores and columns."""
    parts = [(torch.full_like(items, row), items, own) for row, (own, items) in enumerate(lists)]
    rows, columns, scores = (torch.cat(each) for each in zip(*parts, strict=True))
    return rows, columns, scores


def candidates(n: int, choice: ListOptions) -> int:
    """How many of the best items a list of n is chosen from."""
    if choice.familiarity is not None:
        return max(_CANDIDATES_OF_A_BLEND, 10 * n)
    return max(_CANDIDATES, 10 * n) if choice.diversity else n


def best_of(
    scores: Tensor, items: Tensor, n: int, choice: ListOptions, vectors_of: VectorsOf
) -> tuple[Tensor, Tensor]:
    """Choose n of a row's candidates: scores and items, best first, shape (m,), to (at most n,)."""
    if not choice.diversity:
        return scores[:n], items[:n]
    picks = diversify(scores, vectors_of(items), n, choice.diversity)
    return scores[picks], items[picks]


def hide_rated(scores: Tensor, rated: Sequence[Codes]) -> None:
    """Set the scores of what each row's user has rated to ``-inf``, in place.

    Parameters
    ----------
    scores : Tensor, shape (B, m)
    rated : sequence of B int32 arrays
        Columns of each row; an empty sequence hides nothing.
    """
    if not rated:
        return
    if len(rated) == 1:
        scores[0].index_fill_(0, torch.from_numpy(rated[0]).long().to(scores.device), -torch.inf)
        return
    rows = np.repeat(np.arange(len(rated)), [len(codes) for codes in rated])
    columns = np.concatenate(rated)
    places = (torch.from_numpy(each).long().to(scores.device) for each in (rows, columns))
    scores[tuple(places)] = -torch.inf


def discount_popularity(scores: Tensor, log_popularity: Tensor, novelty: float) -> Tensor:
    """Lower the scores of the well known.

    ``score * (1 + n_ratings) ** (-novelty / 2)``: at 1, an item with a hundred times the ratings
    of another needs ten times its score to stand before it; at 0 nothing changes. Scores below
    zero stay as they are, last.

    Parameters
    ----------
    scores : Tensor, shape (B, m)
    log_popularity : Tensor, shape (m,)
        ``log(1 + n_ratings)``.
    novelty : float
        From 0 to 1.

    Returns
    -------
    Tensor, shape (B, m)
    """
    discount = torch.exp(-novelty / 2 * log_popularity)
    return torch.where(scores > 0, scores * discount, scores)


def diversify(scores: Tensor, vectors: Tensor, n: int, diversity: float) -> Tensor:
    """Pick n candidates by maximal marginal relevance.

    Each pick has the highest ``(1 - diversity) * relevance - diversity * likeness``, where
    relevance is the score on a scale from 0 to 1 among the candidates, and likeness the highest
    cosine to what is picked already (Carbonell and Goldstein 1998, equation 1).

    Parameters
    ----------
    scores : Tensor, shape (m,)
        Scores of the candidates, best first.
    vectors : Tensor, shape (m, k)
        Their item vectors.
    n : int
        How many to pick.
    diversity : float
        From 0, the order of the scores, to 1, as unlike each other as can be.

    Returns
    -------
    Tensor of int64, shape (min(n, m),)
        Positions of the picks, in the order in which they were picked.
    """
    if not len(scores):
        return torch.zeros(0, dtype=torch.int64)
    span = (scores.max() - scores.min()).clamp_min(1e-12)
    relevance = (scores - scores.min()) / span
    directions = torch.nn.functional.normalize(vectors, dim=1)
    likeness = torch.zeros_like(scores)
    left = torch.ones_like(scores, dtype=torch.bool)
    picks = []
    for _ in range(min(n, len(scores))):
        value = (1 - diversity) * relevance - diversity * likeness
        pick = int(value.masked_fill(~left, -torch.inf).argmax())
        picks.append(pick)
        left[pick] = False
        cosine = directions @ directions[pick]
        likeness = cosine if len(picks) == 1 else torch.maximum(likeness, cosine)
    return torch.tensor(picks, dtype=torch.int64)
