"""The equations of `hf_cf.models.solver`: sparse rows, their prior, and sums over their entries."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SparseRows:
    """Rows of a sparse matrix, one after another (CSR).

    Attributes
    ----------
    indptr : Tensor of int64, shape (n_rows + 1,)
        Row r holds the entries ``indptr[r]`` to ``indptr[r + 1]``.
    columns : Tensor of int32 or int64, shape (n_entries,)
        In any order; a column may occur more than once in a row.
    values : Tensor, shape (n_entries,)
        What the product of the row's and the column's factor should be.
    weights : Tensor, shape (n_entries,), or float
        How much each entry counts, 0 or more: the precision of its noise.
    """

    indptr: Tensor
    columns: Tensor
    values: Tensor
    weights: Tensor | float = 1.0

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.indptr) - 1

    def take(self, rows: Tensor) -> SparseRows:
        """Some of the rows, in their order: codes, shape (n,)."""
        lengths = self.indptr.diff()[rows]
        indptr = torch.nn.functional.pad(lengths.cumsum(0), (1, 0))
        shift = (self.indptr[rows] - indptr[:-1]).repeat_interleave(lengths)
        entries = shift + torch.arange(len(shift), device=shift.device)
        weights = self.weights
        return SparseRows(
            indptr,
            self.columns[entries],
            self.values[entries],
            weights[entries] if isinstance(weights, Tensor) else weights,
        )


@dataclass(frozen=True)
class Prior:
    """What is known about a row's factor before its entries are seen.

    Attributes
    ----------
    ridge : float or Tensor, shape (n_rows,)
        Precision of every coordinate, for all rows or row by row.
    precision : Tensor, shape (k, k) or (n_rows, k, k), optional
        Precision matrix, shared or row by row; added to the ridge.
    mean : Tensor, shape (k,) or (n_rows, k), optional
        Mean, shared or row by row; zero if not given.
    """

    ridge: Tensor | float = 0.0
    precision: Tensor | None = None
    mean: Tensor | None = None

    def take(self, rows: Tensor) -> Prior:
        """The prior of some of the rows: codes, shape (n,)."""
        ridge, precision, mean = self.ridge, self.precision, self.mean
        return Prior(
            ridge[rows] if isinstance(ridge, Tensor) and ridge.ndim else ridge,
            precision[rows] if precision is not None and precision.ndim == 3 else precision,
            mean[rows] if mean is not None and mean.ndim == 2 else mean,
        )


def augmented(factors: Tensor, offsets: Tensor | None) -> Tensor:
    """Factors with a column for the values and a last row of zeros for padding.

    With the value as one more coordinate, a single product of an entry table with itself gives
    both the Gram matrix and the right-hand side.
    """
    n_columns, k = factors.shape
    table = factors.new_zeros(n_columns + 1, k + 1)
    table[:n_columns, :k] = factors
    if offsets is not None:
        table[:n_columns, k] = -offsets
    return table


class Workspace:
    """Memory that batches use one after another; asking the system for it each time is slow.

    Parameters
    ----------
    table : Tensor, shape (n_columns + 1, k + 1)
        What `augmented` gives.
    budget : int
        Numbers that may be held; at least what one row's matrices need are.
    """

    def __init__(self, table: Tensor, budget: int) -> None:
        self.table, self.width = table, table.shape[1]
        self.most_entries = max(1, budget // (self.width + 3))
        self._entries = table.new_empty(0)
        self._systems = table.new_empty(0)

    def systems(self, rows: SparseRows, batch: Tensor, longest: int) -> tuple[Tensor, Tensor]:
        """Gram matrices, (n, k, k), and right-hand sides, (n, k), of the rows in the batch.

        Views of one memory, which the next call overwrites.
        """
        n = len(batch)
        size = n * self.width**2
        if len(self._systems) < size:
            self._systems = self._systems.new_empty(size)
        system = self._systems[:size].view(n, self.width, self.width)
        if longest == 0:
            system.zero_()
        step = min(longest, max(1, self.most_entries // n))
        for begin in range(0, longest, max(step, 1)):
            gathered = self.gather(rows, batch, begin, min(step, longest - begin))
            if begin == 0:
                torch.bmm(gathered.mT, gathered, out=system)
            else:
                system.baddbmm_(gathered.mT, gathered)
        if not isinstance(rows.weights, Tensor) and rows.weights != 1.0:
            system *= rows.weights
        return system[:, :-1, :-1], system[:, :-1, -1]

    def gather(self, rows: SparseRows, batch: Tensor, begin: int, count: int) -> Tensor:
        """Entries `begin` to ``begin + count`` of rows, augmented and weighted: (n, count, k + 1).

        Their products with themselves count each entry with its weight, where that differs.
        """
        n = len(batch)
        starts = rows.indptr[batch].unsqueeze(1)
        entries = starts + torch.arange(begin, begin + count, device=starts.device)
        padding = entries >= rows.indptr[batch + 1].unsqueeze(1)
        entries = entries.clamp_(max=len(rows.columns) - 1).view(-1)
        columns = rows.columns.index_select(0, entries)
        columns.masked_fill_(padding.view(-1), len(self.table) - 1)
        if len(self._entries) < n * count * self.width:
            self._entries = self._entries.new_empty(n * count * self.width)
        room = self._entries[: n * count * self.width].view(n * count, self.width)
        gathered = torch.index_select(self.table, 0, columns, out=room)
        # Padding has the zero factor, so what it adds to the value's column meets only zeros.
        gathered[:, -1] += rows.values.index_select(0, entries)
        if isinstance(rows.weights, Tensor):
            weights = rows.weights.index_select(0, entries).to(self.table.dtype)
            gathered *= weights.sqrt_().unsqueeze(1)
        return gathered.view(n, count, -1)


def with_prior(
    matrices: Tensor, right: Tensor, prior: Prior, gram: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Add the prior of rows, and `gram`, to matrices, (n, k, k), and sides, (n, k), in place."""
    dtype = matrices.dtype
    ridge = prior.ridge
    if isinstance(ridge, Tensor):
        ridge = ridge.to(dtype).unsqueeze(-1)
    matrices.diagonal(dim1=1, dim2=2).add_(ridge)
    precision = prior.precision
    if precision is not None:
        precision = precision.to(dtype)
        matrices += precision
    if gram is not None:
        matrices += gram.to(dtype)
    if prior.mean is not None:
        mean = prior.mean.to(dtype)
        right += ridge * mean
        if precision is not None:
            right += (precision @ mean.unsqueeze(-1)).squeeze(-1)
    return matrices, right
