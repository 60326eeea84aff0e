"""An alternation of both heads over all ratings: users on the executors, then items.

The items' factors travel to the executors with the task. There each block of users is solved, and
its users' vectors go, with the ratings, to the parts of the items that they have rated. A part
solves its items, and only those come back to the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from hf_cf.data.history import History
from hf_cf.data.vocab import Codes
from hf_cf.evaluation.baselines import Damping
from hf_cf.models import ImplicitALS
from hf_cf.models.normal_equations import SparseRows
from hf_cf.models.ranking import row_weights
from hf_cf.spark.batches import Batches, map_batches
from hf_cf.spark.blocks import RATINGS, HeldOut, as_bytes, from_bytes, ratings_of
from hf_cf.spark.coding import Coded
from hf_cf.training.als import Ridge, half, unit_of
from hf_cf.training.ranking import ExpectedFactors
from hf_cf.training.settings import TrainingSettings

_PART_BYTES = 2**29  # received by a part of the items, at most: one vector a rating
_SUMS = -1  # stands where the number of a block does, in the row with the sums over users


@dataclass(frozen=True, eq=False)
class Stars:
    """The rating model between two halves of an alternation.

    Attributes
    ----------
    items : Tensor, shape (n_items, k + 1)
        Factors, and biases in the last column.
    mean : float
        Mean of the ratings.
    damping : Damping
        Of users and items.
    settings : TrainingSettings
        Of ``als``.
    """

    items: Tensor
    mean: float
    damping: Damping
    settings: TrainingSettings

    def half(self, rows: SparseRows, other: Tensor, damping: float) -> Tensor:
        """Factors and biases of rows whose biases have this damping, (n_rows, k + 1)."""
        unit = unit_of(self.damping, self.mean)
        ridge = Ridge.of(rows.indptr.diff().numpy(), damping, unit, self.settings, "cpu")
        return half(replace(rows, values=rows.values - self.mean), other, ridge)


@dataclass(frozen=True, eq=False)
class AlternationState:
    """What an alternation changes.

    Attributes
    ----------
    stars : Stars, optional
        None where there are interactions without stars.
    ranking : ImplicitALS, optional
        None where the ratings say of no item that it is wanted.
    """

    stars: Stars | None
    ranking: ImplicitALS | None

    @property
    def widths(self) -> tuple[int, int]:
        """Length of a vector of the rating model, and of the ranking head."""
        return (
            0 if self.stars is None else self.stars.settings.n_factors + 1,
            0 if self.ranking is None else self.ranking.vector_size,
        )


def alternated(
    heads: AlternationState,
    coded: Coded,
    held_out: HeldOut,
    cores: int,
    expected: ExpectedFactors | None = None,
) -> AlternationState:
    """Solve all users for given items, and all items for those users.

    Parameters
    ----------
    heads : AlternationState
        Where to start from.
    coded : Coded
        The ratings.
    held_out : HeldOut
        Which of them are not trained on.
    cores : int
        Tasks that run at once.
    expected : ExpectedFactors, optional
        What the items' features say of their factors in the ranking head.
    """
    width = sum(heads.widths)
    size = coded.n_ratings * (12 + 4 * width)
    n_parts = max(cores, -(-size // _PART_BYTES))
    # The most rated items are dealt out like cards, so that the parts are about equal.
    part_of = np.empty(coded.n_items, np.int32)
    part_of[np.argsort(-coded.item_counts, kind="stable")] = np.arange(coded.n_items) % n_parts
    sent = map_batches(
        coded.blocks.select("block", *RATINGS),
        _users_solved(heads, coded.first, held_out, part_of, n_parts),
        "part int, block bigint, users binary, items binary, stars binary, vectors binary",
    )
    solved = map_batches(
        sent.repartitionById(n_parts, "part"),
        _items_solved(_without_tables(heads), part_of, expected),
        "items binary, vectors binary, weights binary",
    ).toArrow()
    vectors, weights = torch.zeros(coded.n_items, width), np.zeros(coded.n_items)
    for codes, found, mass in zip(*solved.columns, strict=True):
        rows = from_bytes(codes, np.int32)
        vectors[torch.from_numpy(rows.copy()).long()] = _matrix(found, width)
        weights[rows] = from_bytes(mass, np.float64)
    of_stars, of_ranking = vectors.split(heads.widths, dim=1)
    stars, ranking = heads.stars, heads.ranking
    if stars is not None:
        stars = replace(stars, items=of_stars.contiguous())
    if ranking is not None:
        ranking.settings["effective_items"] = _effective(weights.sum(), (weights**2).sum())
        ranking.set_items(of_ranking)
    return AlternationState(stars, ranking)


def _without_tables(heads: AlternationState) -> AlternationState:
    """The settings alone, which is all that a part of the items needs."""
    stars, ranking = heads.stars, heads.ranking
    if stars is not None:
        stars = replace(stars, items=stars.items[:0])
    if ranking is not None:
        ranking = ImplicitALS(**(ranking.settings | {"n_items": 1}))
    return AlternationState(stars, ranking)


def _effective(total: float, squares: float) -> float:
    """How many equal weights would have this sum and sum of squares."""
    return float(total**2 / max(squares, 1e-12))


def _matrix(value: pa.Scalar, width: int) -> Tensor:
    return torch.from_numpy(from_bytes(value, np.float32).reshape(-1, width).copy())


def _rows(ratings: History) -> SparseRows:
    return SparseRows(*map(torch.from_numpy, (ratings.starts, ratings.items, ratings.stars)))


def _users_solved(
    heads: AlternationState, first: dict[int, int], held_out: HeldOut, part_of: Codes, n_parts: int
) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    def solve(batches: Batches) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(1)  # each core has its own process
        size = heads.widths[1]
        gram, masses = torch.zeros(size, size, dtype=torch.float64), np.zeros(2)
        for number, ratings in ratings_of(batches):
            train = held_out.without(first[number], ratings)
            rows, solved = _rows(train), []
            if heads.stars is not None:
                damping = heads.stars.damping.user
                solved.append(heads.stars.half(rows, heads.stars.items, damping))
            if heads.ranking is not None:
                model = heads.ranking
                graded, effective = _graded(model, rows), model.settings["effective_items"]
                solved.append(model.solve(graded, model.item_factors, model.gram, effective))
                gram += (solved[-1].T @ solved[-1]).double()
                weights = row_weights(graded)
                masses += [float(weights.sum()), float(weights.square().sum())]
            yield _sent(number, train, torch.cat(solved, 1).numpy(), part_of)
        sums = np.concatenate([gram.numpy().ravel(), masses])
        none = as_bytes(*[np.zeros(0)] * n_parts)
        yield _batch(np.arange(n_parts), _SUMS, none, none, none, as_bytes(*[sums] * n_parts))

    return solve


def _graded(model: ImplicitALS, rows: SparseRows) -> SparseRows:
    return model.graded(rows.indptr, rows.columns, rows.values)


def _batch(parts: npt.NDArray[Any], block: int, *columns: pa.Array) -> pa.RecordBatch:
    names = ("part", "block", "users", "items", "stars", "vectors")
    numbers = (pa.array(parts, pa.int32()), pa.array(np.full(len(parts), block), pa.int64()))
    return pa.record_batch([*numbers, *columns], names)


def _sent(
    number: int, ratings: History, vectors: npt.NDArray[np.float32], part_of: Codes
) -> pa.RecordBatch:
    """A block's ratings by the part of their items, each with the vectors of its raters."""
    parts, owners = part_of[ratings.items], ratings.user_codes()
    order = np.argsort(parts, kind="stable")
    there, starts = np.unique(parts[order], return_index=True)
    columns: list[list[npt.NDArray[Any]]] = []
    for rows in np.split(order, starts[1:]):
        raters, users = np.unique(owners[rows], return_inverse=True)
        rated = (ratings.items[rows], ratings.stars[rows], vectors[raters])
        columns.append([users.astype(np.int32), *rated])
    return _batch(there, number, *(as_bytes(*column) for column in zip(*columns, strict=True)))


def _items_solved(
    heads: AlternationState, part_of: Codes, expected: ExpectedFactors | None
) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    def solve(batches: Batches) -> Iterator[pa.RecordBatch]:
        torch.set_num_threads(1)
        received = [row for batch in batches for row in zip(*batch.columns, strict=True)]
        sent = [row for row in received if row[1].as_py() == _SUMS]
        # In the order of blocks, so that the result does not depend on which arrived first.
        blocks = [row for row in received if row[1].as_py() != _SUMS]
        blocks.sort(key=lambda row: row[1].as_py())
        if not blocks:
            return
        size, of_ranking = heads.widths
        width = size + of_ranking
        vectors = torch.cat([_matrix(row[5], width) for row in blocks])
        codes = np.flatnonzero(part_of == blocks[0][0].as_py()).astype(np.int32)
        rows = _by_item(blocks, codes, width)
        solved, weights = [], torch.zeros(len(codes), dtype=torch.float64)
        if heads.stars is not None:
            solved.append(heads.stars.half(rows, vectors[:, :size], heads.stars.damping.item))
        if heads.ranking is not None:
            sums = np.sum([from_bytes(row[5], np.float64) for row in sent], axis=0)
            gram = torch.from_numpy(sums[:-2].reshape(of_ranking, -1)).float()
            gram *= heads.ranking.settings["unobserved"]
            graded = _graded(heads.ranking, rows)
            weights = row_weights(graded)
            effective, means = _effective(sums[-2], sums[-1]), None
            if expected is not None:
                own = torch.from_numpy(codes).long()
                means = replace(expected, factors=expected.factors[own]).means(weights)
            solved.append(heads.ranking.solve(graded, vectors[:, size:], gram, effective, means))
        yield pa.record_batch(
            {
                "items": as_bytes(codes),
                "vectors": as_bytes(torch.cat(solved, 1).numpy()),
                "weights": as_bytes(weights.numpy()),
            }
        )

    return solve


def _by_item(blocks: list[Any], codes: Codes, width: int) -> SparseRows:
    """The ratings that a part got, one row an item; columns count the vectors of all blocks."""
    users, items, stars, first = [], [], [], 0
    for _, _, of_users, of_items, of_stars, vectors in blocks:
        users.append(from_bytes(of_users, np.int32) + np.int32(first))
        items.append(np.searchsorted(codes, from_bytes(of_items, np.int32)))
        stars.append(from_bytes(of_stars, np.float32))
        first += len(vectors.as_buffer()) // (4 * width)
    rated = np.concatenate(items).astype(np.int32)
    return _rows(
        History.from_codes(rated, np.concatenate(users), np.concatenate(stars), len(codes))
    )
