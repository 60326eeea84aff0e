"""One list for several people, in which the least happy of them counts most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hf_cf.errors import demand_at_least_1
from hf_cf.inference.familiarity import judged, outside, picked
from hf_cf.inference.filters import Filters
from hf_cf.inference.top_n import ListOptions, top_n
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.inference.users import Visitors

_DEPTH = 3000  # places of each person's own order that are looked at


@dataclass(frozen=True, eq=False)
class ListForAll:
    """Items for a group.

    Attributes
    ----------
    items : int64 array, shape (m,)
        Codes, best first.
    stars : float32 array, shape (B, m), optional
        Predicted stars of each person; None where the model predicts none.
    scores : float32 array, shape (m,)
        From 1, first of everybody's own order, down to 0, last of somebody's.
    """

    items: npt.NDArray[np.int64]
    stars: npt.NDArray[np.float32] | None
    scores: npt.NDArray[np.float32]


@torch.inference_mode()
def recommend_together(
    model: TrainedModel, group: Visitors, n: int, options: ListOptions, filters: Filters
) -> ListForAll:
    """Recommend n items to a group of B people at once.

    Everybody orders the items as their own list would, `hf_cf.inference.familiarity`. An item
    counts as much as its place in the order of the person who puts it last: least misery, as in
    PolyLens (O'Connor, Cosley, Konstan and Riedl 2001). What one of them has rated, what is like
    something that one of them dislikes, and what one of them would rate below what they usually
    give, does not appear.

    Parameters
    ----------
    model : TrainedModel
    group : Visitors
        B of them.
    n : int
        Items; fewer where no more suit everybody.
    options : ListOptions
        With a familiarity.
    filters : Filters
        Which items may appear.

    Raises
    ------
    ValueError
        n is less than 1, or a filter is wrong.
    UnknownItem
        The filters name an item that the catalogue does not have.
    """
    demand_at_least_1(n)
    assert options.familiarity is not None
    scorer = model.scorer
    users = scorer.vectors(group)
    hidden = torch.from_numpy(filters.hidden(model.catalogue))
    hidden |= outside(model, options.familiarity).cpu()
    hidden[torch.from_numpy(group.observed.items).long()] = True
    room = torch.empty(len(group), len(model.items), device=scorer.device)
    scores = scorer.scores(users, by_stars=options.order_by == "stars", out=room)
    scores = scores.masked_fill(hidden.to(scores.device), -torch.inf)
    values, columns = top_n(scores, min(_DEPTH, len(hidden)))
    items = _in_all(columns)
    kept = torch.ones(len(items), dtype=torch.bool, device=items.device)
    least = torch.full((len(items),), torch.inf, device=items.device)
    disliked: set[str] = set()
    for row, (own, theirs) in enumerate(zip(values, columns, strict=True)):
        order, may, series = judged(model, users, row, own, theirs, options)
        places = torch.empty_like(order)
        ranked = order.masked_fill(~may, -torch.inf).argsort(descending=True, stable=True)
        places[ranked] = torch.linspace(1, 0, len(ranked), device=places.device)
        at = theirs.argsort()[torch.searchsorted(theirs.sort().values, items)]
        least, kept = torch.minimum(least, places[at]), kept & may[at]
        disliked |= series
    found, codes = picked(model, least, kept, items, n, options, disliked)
    stars = None
    if scorer.predicts_stars:
        grid = scorer.rating.model.stars_grid(users.rating, codes)
        stars = grid.clamp(scorer.scale.min, scorer.scale.max).numpy(force=True)
    return ListForAll(codes.numpy(force=True), stars, found.numpy(force=True))


def _in_all(columns: Tensor) -> Tensor:
    """Items that stand in every row, in ascending order."""
    items, counts = columns.flatten().unique(return_counts=True)
    return items[counts == len(columns)]
