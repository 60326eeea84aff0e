"""Training ratings as sparse rows, by user and by item, on the device that trains."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import Stars
from hf_cf.data.vocab import Codes
from hf_cf.models.normal_equations import SparseRows


class RatingRows(NamedTuple):
    """The same ratings twice.

    Attributes
    ----------
    by_user, by_item : SparseRows
        One row a code; the values are stars.
    users : Tensor of int32, shape (n,)
        The user of each rating of `by_user`.
    item_order : Tensor of int64, shape (n,)
        Where in `by_user` each rating of `by_item` stands.
    """

    by_user: SparseRows
    by_item: SparseRows
    users: Tensor
    item_order: Tensor


def rating_rows(ratings: Ratings, device: torch.device | str) -> RatingRows:
    """Sort ratings, without those whose user or item is ``#na#``."""
    users, items, stars = ratings.user_codes, ratings.item_codes, ratings.stars
    known = (users > 0) & (items > 0)
    if not known.all():
        users, items, stars = users[known], items[known], stars[known]
    return sorted_rows(users, items, stars, len(ratings.users), len(ratings.items), device)


def sorted_rows(
    users: Codes, items: Codes, stars: Stars, n_users: int, n_items: int, device: torch.device | str
) -> RatingRows:
    """Sort three columns, in any order, on the device: by user, and those by item."""
    columns = (torch.from_numpy(column).to(device) for column in (users, items, stars))
    user_codes, item_codes, values = columns
    starts, order = _sorted(user_codes, n_users)
    by_user = SparseRows(starts, item_codes[order], values[order])
    owners = user_codes[order]
    starts, order = _sorted(by_user.columns, n_items)
    return RatingRows(
        by_user, SparseRows(starts, owners[order], by_user.values[order]), owners, order
    )


def by_column(rows: SparseRows, n_columns: int) -> SparseRows:
    """The transposed matrix: one row a column."""
    lengths = rows.indptr.diff()
    owners = torch.arange(rows.n_rows, dtype=torch.int32, device=lengths.device)
    starts, order = _sorted(rows.columns, n_columns)
    columns = owners.repeat_interleave(lengths)[order]
    return SparseRows(starts, columns, rows.values[order])


def _sorted(codes: Tensor, n_rows: int) -> tuple[Tensor, Tensor]:
    """Starts of the rows, (n_rows + 1,), and the order that sorts codes, (n,)."""
    if codes.device.type == "cpu":  # numpy sorts faster, above all what is in order already
        order = torch.from_numpy(np.argsort(codes.numpy(), kind="stable"))
    else:
        order = codes.argsort(stable=True)
    counts = codes.bincount(minlength=n_rows)
    return torch.nn.functional.pad(counts.cumsum(0), (1, 0)), order
