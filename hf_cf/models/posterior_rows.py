"""The equations of rows in every posterior sample at once: row ``b S + s`` is row b in sample s."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_cf.models.normal_equations import Prior, SparseRows
from hf_cf.models.solver import RowSolutions, solve_rows


class SampledRows:
    """Rows of ratings, with the factors of the columns and the prior of every sample.

    Parameters
    ----------
    design : Tensor, shape (m, S, size)
        What the rows' factors are multiplied with, of m columns in each sample.
    offsets : Tensor, shape (m, S)
        Taken off the ratings of each column.
    indptr : Tensor of int64, shape (B + 1,)
        Row b has the ratings ``indptr[b]`` to ``indptr[b + 1]``.
    columns : Tensor of int64, shape (n,)
        Which of the m columns each rating is of.
    stars : Tensor, shape (n,)
    means : Tensor, shape (B, S size)
        The rows' prior means.
    precision : Tensor, shape (S, size, size)
        The prior's precision in each sample.
    rating_precision : Tensor, shape (S,)
        Inverse variance of a rating in each sample.
    """

    def __init__(
        self,
        design: Tensor,
        offsets: Tensor,
        indptr: Tensor,
        columns: Tensor,
        stars: Tensor,
        means: Tensor,
        precision: Tensor,
        rating_precision: Tensor,
    ) -> None:
        n_rows, samples, size = len(indptr) - 1, design.shape[1], design.shape[2]
        self.rating_precision = rating_precision
        self.table, self.offsets = design.flatten(0, 1), offsets.flatten()
        self.indptr, self.row, self.source = over_samples(indptr, samples)
        self.columns = columns[self.source] * samples + self.row % samples
        self.values = stars[self.source].to(self.table.dtype)
        self.prior_mean = means.view(n_rows * samples, size)
        self.precision = precision.repeat(n_rows, 1, 1)

    def solve(
        self,
        *,
        row_weights: Tensor | None = None,
        rating_weights: Tensor | None = None,
        cholesky: bool = False,
        noise: Tensor | None = None,
    ) -> RowSolutions:
        """Posteriors for weights of rows' ratings, (B,), or of single ratings, (n,)."""
        samples = len(self.rating_precision)
        weights = self.rating_precision[self.row % samples]
        if row_weights is not None:
            weights = weights * row_weights[self.row // samples]
        if rating_weights is not None:
            weights = weights * rating_weights[self.source]
        rows = SparseRows(self.indptr, self.columns, self.values, weights)
        prior = Prior(precision=self.precision, mean=self.prior_mean)
        return solve_rows(
            rows, self.table, prior, offsets=self.offsets, cholesky=cholesky, noise=noise
        )

    def expected_errors(self, solved: RowSolutions, row_weights: Tensor) -> Tensor:
        """Expected sum of a row's squared errors, mean over samples, in units of noise, (B,)."""
        assert solved.cholesky is not None
        predicted = (solved.mean[self.row] * self.table[self.columns]).sum(1)
        residuals = self.values - self.offsets[self.columns] - predicted
        sums = residuals.new_zeros(len(self.precision)).index_add_(0, self.row, residuals.square())
        # With A the posterior's precision and P the prior's, A - P sums the ratings' parts, so
        # tr A^-1 (A - P) is what the row's posterior variance adds to the errors.
        covariance = torch.cholesky_inverse(solved.cholesky)
        size = covariance.shape[1]
        variance = size - (covariance * self.precision).sum((1, 2))
        samples = len(self.rating_precision)
        sums = sums.view(-1, samples) * self.rating_precision
        return (sums + variance.view(-1, samples) / row_weights[:, None]).mean(1)


def over_samples(indptr: Tensor, samples: int) -> tuple[Tensor, Tensor, Tensor]:
    """Repeat the rows of a sparse matrix for every sample: row ``b samples + s`` is row b in s.

    Returns
    -------
    indptr : Tensor of int64, shape (B * samples + 1,)
    row, source : Tensors of int64, shape (n * samples,)
        Of each new entry, its row and the old entry that it repeats.
    """
    repeated = indptr.diff().repeat_interleave(samples)
    starts = torch.nn.functional.pad(repeated.cumsum(0), (1, 0))
    row = torch.arange(len(repeated), device=indptr.device).repeat_interleave(repeated)
    position = torch.arange(len(row), device=indptr.device) - starts[row]
    return starts, row, indptr[row // samples] + position


def of_pattern(
    link: Tensor, implicit: Tensor, average: Tensor, n: int, indptr: Tensor, columns: Tensor
) -> Tensor:
    """What follows from which columns stand in a row, (B, S size).

    Parameters
    ----------
    link : Tensor, shape (p, S size)
        Weights of the columns that count.
    implicit : Tensor of int64, shape (p,)
        Their codes.
    average : Tensor, shape (p,)
        The average row, which a row is compared with.
    n : int
        Codes that there are.
    indptr, columns : Tensors of int64
        Row b has the columns ``indptr[b]`` to ``indptr[b + 1]``.
    """
    counts = indptr.diff()
    means = (counts > 0)[:, None] * -(average @ link)
    if not len(columns):
        return means
    row_of = columns.new_full((n,), -1)
    row_of[implicit] = torch.arange(len(implicit), device=columns.device)
    owner = torch.arange(len(counts), device=columns.device).repeat_interleave(counts)
    rows = row_of[columns]
    known = rows >= 0
    parts = link[rows[known]] / counts[owner[known]].sqrt()[:, None]
    return means.index_add_(0, owner[known], parts)
