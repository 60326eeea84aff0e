"""The normal-equations kernel: one regularised least-squares problem per row of a sparse matrix.

Alternating least squares, implicit feedback, Gibbs sampling and the inference of a new user's
vector are all this computation. For row r with entries e (a column c, a value y, a weight w)::

    A = P + ridge * I + gram + sum_e w f_c f_c'          (k, k)
    b = (P + ridge * I) m    + sum_e w (y - o_c) f_c     (k,)
    x = A^-1 b

where f_c is the factor of column c, o_c the part of the value that is known from the column alone,
and m and P the mean and precision of the prior. `gram` is what implicit feedback adds: a small
weight on "value 0" for every column, rated or not.

Rows of similar length are solved together, in batches that stay in the cache of a core, and a core
takes one batch after another. The batches follow from the rows alone, so that the number of threads
does not change a bit of the result. A row too long for a batch is summed in pieces. The sums of a
row are rounded differently in another batch, so that its solution depends on the order of rows and
on the budget within rounding: about 1e-5 of the largest coordinate for well-conditioned float32
problems.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

from hf_cf.models.normal_equations import Prior, SparseRows, Workspace, augmented, with_prior
from hf_cf.models.threads import in_parallel, threads_for

__all__ = ["Prior", "RowSolutions", "SparseRows", "solve_rows"]

# Batches that stay in a core's cache; a GPU wants few, large ones instead.
CPU_BUDGET_BYTES = 4 * 2**20
GPU_BUDGET_BYTES = 2**30
# Multiplications that cost as much as beginning a batch. Rows are padded to the longest in theirs,
# and a batch ends where that would cost more than the next one.
CPU_BATCH_COST = 2**21
GPU_BATCH_COST = 2**30
# Rows with fewer entries than this part of k are solved in the space of their entries.
SHORT_ROW = 0.5
# A single row with at most so many entries is solved at once.
FEW_ENTRIES = 4096

_Batch = tuple[int, int, int]  # first and last (exclusive) row by length, the greatest length


@dataclass(frozen=True)
class RowSolutions:
    """The solution of every row.

    Attributes
    ----------
    mean : Tensor, shape (n_rows, k)
        The least-squares solution x, the mean of the posterior.
    sample : Tensor, shape (n_rows, k), optional
        A sample from the posterior N(x, A^-1), if `noise` was given.
    cholesky : Tensor, shape (n_rows, k, k), optional
        Lower triangular L with L L' = A, the precision of the posterior.
    """

    mean: Tensor
    sample: Tensor | None = None
    cholesky: Tensor | None = None

    def put(self, rows: Tensor, others: RowSolutions) -> None:
        """Replace the solutions of some rows."""
        for name in ("mean", "sample", "cholesky"):
            own, new = getattr(self, name), getattr(others, name)
            if own is not None:
                own[rows] = new.to(own.dtype)


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
    cholesky : bool
        Asks for `cholesky`, which needs n_rows * k * k numbers.
    budget_bytes : int, optional
        Working memory of each thread beyond the result and a copy of `factors`. At least what a
        single row's matrices need is used in any case. By default 4 MiB, on a GPU 1 GiB.

    Returns
    -------
    RowSolutions
        In the order of `rows`.

    Raises
    ------
    torch.linalg.LinAlgError
        If a row is not positive definite in float64 either.
    """
    n_rows = rows.n_rows
    # In the space of the entries there is no matrix A, and only a ridge above 0 is invertible.
    mean_alone = noise is None and not cholesky
    shortens = mean_alone and prior.precision is None and _positive(prior.ridge)
    shortens = shortens and (gram is None or prior.mean is None)
    if n_rows == 1 and mean_alone and offsets is None and 0 < len(rows.columns) <= FEW_ENTRIES:
        # A visitor waits for this one: without batches and padding it takes half the time.
        solved = _single_row(rows, factors, prior, gram, shortens)
        if solved is not None:
            return RowSolutions(solved)
    asked = _Asked(gram, offsets, cholesky, budget_bytes)
    solutions, failed = _solve(rows, factors, prior, noise, asked, shortens)
    again = failed.nonzero()[:, 0]  # asked once, so that a GPU never waits for an answer
    if len(again) and factors.dtype != torch.float64:
        drawn = None if noise is None else noise[again]
        exact, failed = _solve(
            rows.take(again), factors.double(), prior.take(again), drawn, asked, shortens
        )
        solutions.put(again, exact)
        again = again[failed > 0]
    if len(again):
        raise torch.linalg.LinAlgError(  # type: ignore[attr-defined]
            f"The equations of row {int(again[0])} are not positive definite. "
            "Give the prior a positive ridge."
        )
    return solutions


@dataclass(frozen=True)
class _Asked:
    """Parameters of `solve_rows` that hold for all rows."""

    gram: Tensor | None
    offsets: Tensor | None
    cholesky: bool
    budget_bytes: int | None


def _solve(
    rows: SparseRows,
    factors: Tensor,
    prior: Prior,
    noise: Tensor | None,
    asked: _Asked,
    shortens: bool,
) -> tuple[RowSolutions, Tensor]:
    """Solutions, and the rows' state, (n_rows,): above 0 where a solution was not found."""
    n_rows, k = rows.n_rows, factors.shape[1]
    solutions = RowSolutions(
        mean=factors.new_empty(n_rows, k),
        sample=None if noise is None else factors.new_empty(n_rows, k),
        cholesky=factors.new_empty(n_rows, k, k) if asked.cholesky else None,
    )
    failed = torch.zeros(n_rows, dtype=torch.int32, device=factors.device)
    gram, spread, axes = asked.gram, None, None
    if shortens and gram is not None:
        # Along the axes of `gram` it is diagonal, and short rows need no matrix of it either.
        spread, axes = torch.linalg.eigh(gram.double())
        spread, axes = spread.clamp_min(0).to(factors.dtype), axes.to(factors.dtype)
        factors, gram = factors @ axes, spread.diag()
    table = augmented(factors, asked.offsets)
    on_cpu = factors.device.type == "cpu"
    budget = asked.budget_bytes or (CPU_BUDGET_BYTES if on_cpu else GPU_BUDGET_BYTES)
    budget //= factors.element_size()
    lengths = rows.indptr.diff()
    by_length = lengths.argsort(descending=True, stable=True)
    cost = CPU_BATCH_COST if on_cpu else GPU_BATCH_COST
    batches = list(_batches(lengths[by_length].tolist(), k, budget, cost))

    def worker() -> Callable[[_Batch], None]:
        workspace = Workspace(table, budget)

        def solve(which: _Batch) -> None:
            first, last, longest = which
            batch = by_length[first:last]
            own = prior.take(batch)
            if shortens and 0 < longest <= SHORT_ROW * k:
                entries = workspace.gather(rows, batch, 0, longest)
                if not isinstance(rows.weights, Tensor):
                    entries = entries * rows.weights**0.5
                found = _short_solutions(entries[:, :, :-1], entries[:, :, -1:], own, spread)
                solutions.mean[batch], failed[batch] = found
                return
            matrices, right = with_prior(*workspace.systems(rows, batch, longest), own, gram)
            drawn = None if noise is None else noise[batch]
            lower, failed[batch] = torch.linalg.cholesky_ex(matrices)
            solutions.put(batch, _finished(lower, right, drawn))

        return solve

    work = len(rows.columns) * (k + 1) ** 2 + n_rows * k**3
    in_parallel(worker, batches, threads_for(work) if on_cpu else 1)
    if axes is not None:
        solutions = replace(solutions, mean=solutions.mean @ axes.T)
    return solutions, failed


def _batches(lengths: list[int], k: int, budget: int, cost: int) -> Iterator[_Batch]:
    """Batches of rows whose `lengths` descend.

    A batch ends where its rows fill the budget, or where padding has cost as much as a new one.
    """
    matrix_size = 4 * (k + 1) ** 2
    most_padding = cost // (k + 1) ** 2
    entries = [0, *accumulate(lengths)]
    first = 0
    while first < len(lengths):
        longest = lengths[first]
        fitting = max(1, budget // (longest * (k + 4) + matrix_size))

        def padding(last: int, first: int = first, longest: int = longest) -> int:
            return (last - first) * longest - (entries[last] - entries[first])

        ends = range(first + 1, min(first + fitting, len(lengths)) + 1)
        last = first + bisect_right(ends, most_padding, key=padding)
        yield first, last, longest
        first = last


def _single_row(
    rows: SparseRows, factors: Tensor, prior: Prior, gram: Tensor | None, shortens: bool
) -> Tensor | None:
    """Solution of a single row, (1, k); None where it is not positive definite as it stands."""
    entries, values = factors.index_select(0, rows.columns), rows.values.to(factors.dtype)
    if shortens and gram is None and len(rows.columns) <= SHORT_ROW * factors.shape[1]:
        if isinstance(rows.weights, Tensor) or rows.weights != 1.0:
            weights = torch.as_tensor(rows.weights, dtype=factors.dtype, device=factors.device)
            roots = weights.sqrt()
            entries, values = entries * roots[..., None], values * roots
        solved, failed = _short_solutions(entries[None], values[None, :, None], prior)
        return None if failed else solved
    weighted = entries
    if isinstance(rows.weights, Tensor):
        weighted = entries * rows.weights.to(factors.dtype).unsqueeze(1)
    elif rows.weights != 1.0:
        weighted = entries * rows.weights
    matrices, right = (weighted.T @ entries).unsqueeze(0), (values @ weighted).unsqueeze(0)
    matrices, right = with_prior(matrices, right, prior, gram)
    lower, failed = torch.linalg.cholesky_ex(matrices)
    if failed:
        return None
    return torch.cholesky_solve(right.unsqueeze(-1), lower).squeeze(-1)


def _short_solutions(
    factors: Tensor, values: Tensor, prior: Prior, spread: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Solutions of rows from their entries' factors and values, (n, k), and which failed, (n,).

    With F the factors of a row's entries and D a diagonal,
    ``(F'F + D)^-1 F'y = D^-1 F'(F D^-1 F' + I)^-1 y``: a matrix of the entries in place of one of
    the factors. D is the ridge, which must be above 0, and `spread`, (k,), where it is given.
    """
    mean = prior.mean
    if mean is not None:
        mean = mean.expand(len(factors), -1).to(factors.dtype)
        values = values - factors @ mean.unsqueeze(-1)
    ridge = torch.as_tensor(prior.ridge, dtype=factors.dtype, device=factors.device).view(-1, 1)
    root = (ridge if spread is None else ridge + spread).rsqrt().unsqueeze(1)  # (n or 1, 1, k or 1)
    factors = factors * root
    system = factors @ factors.mT
    system.diagonal(dim1=1, dim2=2).add_(1)
    lower, failed = torch.linalg.cholesky_ex(system)
    moved = (factors.mT @ torch.cholesky_solve(values, lower)).squeeze(-1) * root.squeeze(1)
    return moved if mean is None else mean + moved, failed


def _positive(ridge: Tensor | float) -> bool:
    return bool((ridge > 0).all()) if isinstance(ridge, Tensor) else ridge > 0


def _finished(lower: Tensor, right: Tensor, noise: Tensor | None) -> RowSolutions:
    """Solutions of rows from the Cholesky factors of their matrices."""
    half = torch.linalg.solve_triangular(lower, right.unsqueeze(-1), upper=False)
    mean = torch.linalg.solve_triangular(lower.mT, half, upper=True).squeeze(-1)
    sample = None
    if noise is not None:
        drawn = half + noise.to(lower.dtype).unsqueeze(-1)
        sample = torch.linalg.solve_triangular(lower.mT, drawn, upper=True).squeeze(-1)
    return RowSolutions(mean, sample, lower)
