"""The normal-equations kernel: one regularised least-squares problem per row of a sparse matrix.

Alternating least squares, implicit feedback, Gibbs sampling and the inference of a new user's
vector are all this computation. For row r with entries e (a column c, a value y, a weight w)::

    A = P + ridge * I + gram + sum_e w f_c f_c'          (k, k)
    b = (P + ridge * I) m    + sum_e w (y - o_c) f_c     (k,)
    x = A^-1 b

where f_c is the factor of column c, o_c the part of the value that is known from the column alone,
and m and P the mean and precision of the prior. `gram` is what implicit feedback adds: a small
weight on "value 0" for every column, rated or not.

Rows of similar length are solved together. A row too long for the memory budget is summed in
pieces. The sums of a row are rounded differently in other company, so that its solution depends on
the order of rows and on the budget only within rounding: about 1e-5 of the largest coordinate for
well-conditioned float32 problems.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

# Batches that stay in the processor's cache; a GPU wants few, large ones instead.
CPU_BUDGET_BYTES = 8 * 2**20
GPU_BUDGET_BYTES = 512 * 2**20
# Rows are padded to the longest in their batch; a batch ends when that would waste more than this.
SHORTEST_TO_LONGEST = 0.9
# Fewer batches than this are done before threads have started.
FEWEST_FOR_THREADS = 16
# Rows with fewer entries than this part of k are solved in the space of their entries.
SHORT_ROW = 0.5
# A single row with at most so many entries is solved at once.
FEW_ENTRIES = 4096


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


@dataclass(frozen=True)
class RowSolutions:
    """The solution of every row.

    Attributes
    ----------
    mean : Tensor, shape (n_rows, k)
        The least-squares solution x, the mean of the posterior.
    sample : Tensor, shape (n_rows, k), optional
        A draw from the posterior N(x, A^-1), if `noise` was given.
    cholesky : Tensor, shape (n_rows, k, k), optional
        Lower triangular L with L L' = A, the precision of the posterior.
    variance : Tensor, shape (n_rows, k), optional
        Diagonal of A^-1, the posterior's covariance.
    """

    mean: Tensor
    sample: Tensor | None = None
    cholesky: Tensor | None = None
    variance: Tensor | None = None


@torch.no_grad()
def solve_rows(
    rows: SparseRows,
    factors: Tensor,
    prior: Prior,
    *,
    gram: Tensor | None = None,
    offsets: Tensor | None = None,
    noise: Tensor | None = None,
    cholesky: bool = False,
    variance: bool = False,
    budget_bytes: int | None = None,
) -> RowSolutions:
    """Solve the normal equations of every row (see the module's first lines).

    Parameters
    ----------
    rows : SparseRows
        The entries, on the device of `factors`.
    factors : Tensor, shape (n_columns, k)
        The factors of the columns; their dtype is that of the computation and of the result.
    prior : Prior
        Must make A positive definite where a row has too few entries to do so.
    gram : Tensor, shape (k, k), optional
        Added to every A and to no b: ``unobserved_weight * factors.T @ factors``.
    offsets : Tensor, shape (n_columns,), optional
        Taken off the values of a column's entries, such as the biases of items.
    noise : Tensor, shape (n_rows, k), optional
        Standard normal draws; asks for `sample`.
    cholesky, variance : bool
        Ask for those parts of the result. ``cholesky`` needs n_rows * k * k numbers.
    budget_bytes : int, optional
        Working memory beyond the result and a copy of `factors`. At least what a single row's
        matrices need is used in any case. By default 8 MiB, on a GPU 512 MiB.

    Returns
    -------
    RowSolutions
        In the order of `rows`.

    Raises
    ------
    torch.linalg.LinAlgError
        If a row is not positive definite in float64 either.
    """
    n_rows, k = rows.n_rows, factors.shape[1]
    # In the space of the entries there is no matrix A, and only a ridge above 0 is invertible.
    mean_alone = noise is None and not (cholesky or variance)
    shortens = mean_alone and gram is None and prior.precision is None and _positive(prior.ridge)
    if n_rows == 1 and mean_alone and offsets is None and 0 < len(rows.columns) <= FEW_ENTRIES:
        # A visitor waits for this one: without batches and padding it takes half the time.
        solved = _single_row(rows, factors, prior, gram, shortens)
        if solved is not None:
            return RowSolutions(solved)
    table = _augmented(factors, offsets)
    if budget_bytes is None:
        budget_bytes = GPU_BUDGET_BYTES if factors.is_cuda else CPU_BUDGET_BYTES
    budget = budget_bytes // factors.element_size()
    solutions = RowSolutions(
        mean=factors.new_empty(n_rows, k),
        sample=None if noise is None else factors.new_empty(n_rows, k),
        cholesky=factors.new_empty(n_rows, k, k) if cholesky else None,
        variance=factors.new_empty(n_rows, k) if variance else None,
    )
    lengths = rows.indptr.diff()
    by_length = lengths.argsort(descending=True, stable=True)
    n_workers = 1 if factors.is_cuda else torch.get_num_threads()
    batches = list(_batches(lengths[by_length].tolist(), k, budget // n_workers))

    def work(share: list[tuple[int, int, int]]) -> None:
        workspace = _Workspace(table, budget // n_workers)
        for first, last, longest in share:
            batch = by_length[first:last]
            if shortens and 0 < longest <= SHORT_ROW * k:
                solved = _short_rows(rows, table, batch, longest, workspace, prior)
                solutions.mean[batch] = solved
                continue
            system = _system(rows, table, batch, longest, workspace)
            matrices, right = _with_prior(*_parts(system), prior, gram, batch)
            lower, failed = torch.linalg.cholesky_ex(matrices)
            _store(solutions, batch, lower, right, noise)
            if failed.any():
                again = batch[failed > 0]
                exact = table.double()
                workspace_64 = _Workspace(exact, budget // n_workers)
                system = _system(rows, exact, again, longest, workspace_64)
                matrices, right = _with_prior(*_parts(system), prior, gram, again)
                lower, failed = torch.linalg.cholesky_ex(matrices)
                if failed.any():
                    row = int(again[failed > 0][0])
                    raise torch.linalg.LinAlgError(  # type: ignore[attr-defined]
                        f"The equations of row {row} are not positive definite. "
                        "Give the prior a positive ridge."
                    )
                _store(solutions, again, lower, right, noise)

    _in_threads(work, [batches[worker::n_workers] for worker in range(n_workers)], len(batches))
    return solutions


def _in_threads(
    work: Callable[[list[tuple[int, int, int]]], None],
    shares: list[list[tuple[int, int, int]]],
    n_batches: int,
) -> None:
    """Do the shares side by side, each on one core.

    torch spreads a product over the cores but factors one matrix after another on one; with a
    batch a core all of it is spread.
    """
    if len(shares) == 1 or n_batches < FEWEST_FOR_THREADS:
        for share in shares:
            work(share)
        return
    n_threads = torch.get_num_threads()

    def alone(share: list[tuple[int, int, int]]) -> None:
        torch.set_num_threads(1)
        with torch.no_grad():
            work(share)

    try:
        with ThreadPoolExecutor(len(shares)) as pool:
            list(pool.map(alone, shares))
    finally:
        torch.set_num_threads(n_threads)


def _augmented(factors: Tensor, offsets: Tensor | None) -> Tensor:
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


def _batches(lengths: list[int], k: int, budget: int) -> Iterator[tuple[int, int, int]]:
    """First and last (exclusive) position and greatest length of each batch; `lengths` descend."""
    matrix_size = 4 * (k + 1) ** 2
    negative = [-length for length in lengths]
    first = 0
    while first < len(lengths):
        longest = lengths[first]
        fitting = max(1, budget // (longest * (k + 4) + matrix_size))
        similar = bisect_left(negative, 1 - int(SHORTEST_TO_LONGEST * longest), lo=first)
        last = min(first + fitting, max(similar, first + 1))
        yield first, last, longest
        first = last


class _Workspace:
    """Memory that batches use one after another; asking the system for it each time is slow."""

    def __init__(self, table: Tensor, budget: int) -> None:
        self.width = table.shape[1]
        self.most_entries = max(1, budget // (self.width + 3))
        self._entries = table.new_empty(0)
        self._systems = table.new_empty(0)

    def entries(self, n: int) -> Tensor:
        """Room for the augmented factors of n entries, (n, k + 1)."""
        if len(self._entries) < n * self.width:
            self._entries = self._entries.new_empty(n * self.width)
        return self._entries[: n * self.width].view(n, self.width)

    def systems(self, n: int) -> Tensor:
        """Room for n augmented Gram matrices, (n, k + 1, k + 1)."""
        size = n * self.width**2
        if len(self._systems) < size:
            self._systems = self._systems.new_empty(size)
        return self._systems[:size].view(n, self.width, self.width)


def _system(
    rows: SparseRows, table: Tensor, batch: Tensor, longest: int, workspace: _Workspace
) -> Tensor:
    """Gram matrices of the augmented entries of each row in the batch: (n, k + 1, k + 1)."""
    n = len(batch)
    starts = rows.indptr[batch].unsqueeze(1)
    ends = rows.indptr[batch + 1].unsqueeze(1)
    system = workspace.systems(n)
    if longest == 0:
        return system.zero_()
    step = min(longest, max(1, workspace.most_entries // n))
    for begin in range(0, longest, step):
        count = min(step, longest - begin)
        gathered = _gather(rows, table, starts, ends, begin, count, workspace)
        if begin == 0:
            torch.bmm(gathered.mT, gathered, out=system)
        else:
            system.baddbmm_(gathered.mT, gathered)
    if not isinstance(rows.weights, Tensor) and rows.weights != 1.0:
        system *= rows.weights
    return system


def _gather(
    rows: SparseRows,
    table: Tensor,
    starts: Tensor,
    ends: Tensor,
    begin: int,
    count: int,
    workspace: _Workspace,
) -> Tensor:
    """Entries `begin` to ``begin + count`` of some rows, augmented and weighted: (n, count, k + 1).

    Their products with themselves count each entry with its weight.
    """
    n = len(starts)
    entries = starts + torch.arange(begin, begin + count, device=table.device)
    padding = entries >= ends
    entries = entries.clamp_(max=len(rows.columns) - 1).view(-1)
    columns = rows.columns.index_select(0, entries)
    columns.masked_fill_(padding.view(-1), len(table) - 1)
    gathered = torch.index_select(table, 0, columns, out=workspace.entries(n * count))
    # Padding has the zero factor, so what it adds to the value's column meets only zeros.
    gathered[:, -1] += rows.values.index_select(0, entries)
    if isinstance(rows.weights, Tensor):
        gathered *= rows.weights.index_select(0, entries).to(table.dtype).sqrt_().unsqueeze(1)
    return gathered.view(n, count, -1)


def _short_rows(
    rows: SparseRows,
    table: Tensor,
    batch: Tensor,
    longest: int,
    workspace: _Workspace,
    prior: Prior,
) -> Tensor:
    """Solutions of rows with fewer entries than factors, (n, k)."""
    starts, ends = rows.indptr[batch].unsqueeze(1), rows.indptr[batch + 1].unsqueeze(1)
    gathered = _gather(rows, table, starts, ends, 0, longest, workspace)
    scale = 1.0 if isinstance(rows.weights, Tensor) else rows.weights**0.5
    factors, values = gathered[:, :, :-1] * scale, gathered[:, :, -1:] * scale
    return _short_solutions(factors, values, prior, batch)


def _single_row(
    rows: SparseRows, factors: Tensor, prior: Prior, gram: Tensor | None, shortens: bool
) -> Tensor | None:
    """Solution of a single row, (1, k); None where it is not positive definite as it stands."""
    entries, values = factors.index_select(0, rows.columns), rows.values.to(factors.dtype)
    if shortens and len(rows.columns) <= SHORT_ROW * factors.shape[1]:
        if isinstance(rows.weights, Tensor) or rows.weights != 1.0:
            weights = torch.as_tensor(rows.weights, dtype=factors.dtype, device=factors.device)
            roots = weights.sqrt()
            entries, values = entries * roots[..., None], values * roots
        return _short_solutions(entries[None], values[None, :, None], prior, slice(None))
    weighted = entries
    if isinstance(rows.weights, Tensor):
        weighted = entries * rows.weights.to(factors.dtype).unsqueeze(1)
    elif rows.weights != 1.0:
        weighted = entries * rows.weights
    matrices, right = (weighted.T @ entries).unsqueeze(0), (values @ weighted).unsqueeze(0)
    matrices, right = _with_prior(matrices, right, prior, gram, slice(None))
    lower, failed = torch.linalg.cholesky_ex(matrices)
    if failed:
        return None
    return torch.cholesky_solve(right.unsqueeze(-1), lower).squeeze(-1)


def _short_solutions(
    factors: Tensor, values: Tensor, prior: Prior, batch: Tensor | slice
) -> Tensor:
    """Solutions of the rows in the batch from the factors and values of their entries, (n, k).

    With F the factors of a row's entries, ``(F'F + ridge I)^-1 F'y = F'(F F' + ridge I)^-1 y``:
    a matrix of the entries in place of one of the factors. The right side needs a ridge above 0.
    """
    mean = prior.mean
    if mean is not None:
        mean = (mean[batch] if mean.ndim == 2 else mean.expand(len(factors), -1)).to(factors.dtype)
        values = values - factors @ mean.unsqueeze(-1)
    ridge = prior.ridge
    if isinstance(ridge, Tensor):
        ridge = (ridge[batch] if ridge.ndim else ridge).to(factors.dtype).unsqueeze(-1)
    system = factors @ factors.mT
    system.diagonal(dim1=1, dim2=2).add_(ridge)
    solved = torch.cholesky_solve(values, torch.linalg.cholesky(system))
    moved = (factors.mT @ solved).squeeze(-1)
    return moved if mean is None else mean + moved


def _positive(ridge: Tensor | float) -> bool:
    return bool((ridge > 0).all()) if isinstance(ridge, Tensor) else ridge > 0


def _parts(system: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices (n, k, k) and right-hand sides (n, k) of augmented systems, as views."""
    return system[:, :-1, :-1], system[:, :-1, -1]


def _with_prior(
    matrices: Tensor, right: Tensor, prior: Prior, gram: Tensor | None, batch: Tensor | slice
) -> tuple[Tensor, Tensor]:
    """Add the prior of the rows in the batch, and `gram`, in place."""
    dtype = matrices.dtype
    ridge = prior.ridge
    if isinstance(ridge, Tensor):
        ridge = (ridge[batch] if ridge.ndim else ridge).to(dtype).unsqueeze(-1)
    matrices.diagonal(dim1=1, dim2=2).add_(ridge)
    precision = prior.precision
    if precision is not None:
        precision = (precision[batch] if precision.ndim == 3 else precision).to(dtype)
        matrices += precision
    if gram is not None:
        matrices += gram.to(dtype)
    if prior.mean is not None:
        mean = (prior.mean[batch] if prior.mean.ndim == 2 else prior.mean).to(dtype)
        right += ridge * mean
        if precision is not None:
            right += (precision @ mean.unsqueeze(-1)).squeeze(-1)
    return matrices, right


def _store(
    solutions: RowSolutions, batch: Tensor, lower: Tensor, right: Tensor, noise: Tensor | None
) -> None:
    """Finish the solution of the rows in the batch from the Cholesky factors of their matrices."""
    dtype = solutions.mean.dtype
    upper = lower.mT
    half = torch.linalg.solve_triangular(lower, right.unsqueeze(-1), upper=False)
    mean = torch.linalg.solve_triangular(upper, half, upper=True)
    solutions.mean[batch] = mean.squeeze(-1).to(dtype)
    if solutions.sample is not None and noise is not None:
        drawn = half + noise[batch].to(lower.dtype).unsqueeze(-1)
        sample = torch.linalg.solve_triangular(upper, drawn, upper=True)
        solutions.sample[batch] = sample.squeeze(-1).to(dtype)
    if solutions.cholesky is not None:
        solutions.cholesky[batch] = lower.to(dtype)
    if solutions.variance is not None:
        identity = torch.eye(lower.shape[-1], dtype=lower.dtype, device=lower.device)
        inverse = torch.linalg.solve_triangular(lower, identity.expand_as(lower), upper=False)
        solutions.variance[batch] = inverse.square().sum(1).to(dtype)
