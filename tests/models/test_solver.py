"""The normal-equations kernel against numpy, one dense row at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_cf.models.solver import Prior, RowSolutions, SparseRows, solve_rows

SLOW_MACHINES = settings(deadline=None, max_examples=40)


@dataclass(frozen=True)
class Problem:
    rows: SparseRows
    factors: torch.Tensor
    prior: Prior
    gram: torch.Tensor | None
    offsets: torch.Tensor | None


def positive_definite(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    root = rng.normal(size=(*shape, shape[-1]))
    return torch.from_numpy(root @ root.swapaxes(-1, -2) + np.eye(shape[-1]))


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Rows of any length, with repeated columns and zero weights, and every kind of prior."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_columns, k = draw(st.integers(1, 12)), draw(st.integers(1, 6))
    lengths = draw(
        st.lists(st.sampled_from([0, 1, 2, n_columns, 3 * n_columns]), min_size=1, max_size=12)
    )
    n_rows, n_entries = len(lengths), sum(lengths)
    weights = rng.exponential(size=n_entries) * (rng.random(n_entries) > 0.3)
    ridge: torch.Tensor | float = 0.5
    if draw(st.booleans()):
        ridge = torch.from_numpy(rng.uniform(0.1, 2, n_rows))
    precision = draw(st.sampled_from(["none", "shared", "per row"]))
    mean = draw(st.sampled_from(["none", "shared", "per row"]))
    factors = torch.from_numpy(rng.normal(size=(n_columns, k)))
    return Problem(
        rows=SparseRows(
            indptr=torch.tensor([0, *lengths]).cumsum(0),
            columns=torch.from_numpy(rng.integers(0, n_columns, n_entries).astype(np.int32)),
            values=torch.from_numpy(rng.normal(size=n_entries)),
            weights=torch.from_numpy(weights) if draw(st.booleans()) else 1.7,
        ),
        factors=factors,
        prior=Prior(
            ridge=ridge,
            precision={
                "none": None,
                "shared": positive_definite(rng, k),
                "per row": positive_definite(rng, n_rows, k),
            }[precision],
            mean={
                "none": None,
                "shared": torch.from_numpy(rng.normal(size=k)),
                "per row": torch.from_numpy(rng.normal(size=(n_rows, k))),
            }[mean],
        ),
        gram=0.1 * factors.T @ factors if draw(st.booleans()) else None,
        offsets=torch.from_numpy(rng.normal(size=n_columns)) if draw(st.booleans()) else None,
    )


def dense_solution(problem: Problem, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Matrix A and solution x of one row, written out."""
    rows, prior, k = problem.rows, problem.prior, problem.factors.shape[1]
    entries = slice(int(rows.indptr[row]), int(rows.indptr[row + 1]))
    columns = rows.columns[entries].numpy().astype(int)
    factors = problem.factors.numpy()[columns]
    values = rows.values[entries].numpy()
    if problem.offsets is not None:
        values = values - problem.offsets.numpy()[columns]
    weights = np.broadcast_to(np.asarray(rows.weights), rows.values.shape)[entries]
    ridge = prior.ridge[row].item() if isinstance(prior.ridge, torch.Tensor) else prior.ridge
    precision = ridge * np.eye(k)
    if prior.precision is not None:
        own = prior.precision[row] if prior.precision.ndim == 3 else prior.precision
        precision = precision + own.numpy()
    mean = np.zeros(k)
    if prior.mean is not None:
        mean = (prior.mean[row] if prior.mean.ndim == 2 else prior.mean).numpy()
    matrix = precision + sum(
        (w * np.outer(f, f) for w, f in zip(weights, factors, strict=True)), np.zeros((k, k))
    )
    if problem.gram is not None:
        matrix = matrix + problem.gram.numpy()
    right = precision @ mean + (weights * values) @ factors
    return matrix, np.linalg.solve(matrix, right)


def solve(problem: Problem, **options: object) -> RowSolutions:
    return solve_rows(
        problem.rows,
        problem.factors,
        problem.prior,
        gram=problem.gram,
        offsets=problem.offsets,
        **options,  # type: ignore[arg-type]
    )


@SLOW_MACHINES
@given(problems())
def test_every_row_is_the_dense_solution(problem: Problem) -> None:
    found = solve(problem, cholesky=True)
    assert found.cholesky is not None
    assert found.sample is None
    for row in range(problem.rows.n_rows):
        matrix, solution = dense_solution(problem, row)
        np.testing.assert_allclose(found.mean[row], solution, rtol=1e-8, atol=1e-8)
        lower = found.cholesky[row].numpy()
        np.testing.assert_allclose(lower @ lower.T, matrix, rtol=1e-8, atol=1e-8)
        assert np.array_equal(lower, np.tril(lower))


@SLOW_MACHINES
@given(problems(), st.sampled_from([1, 200, 3_000, 100_000]))
def test_the_memory_budget_does_not_change_the_result(problem: Problem, budget: int) -> None:
    tight = solve(problem, budget_bytes=budget)
    torch.testing.assert_close(tight.mean, solve(problem).mean, rtol=1e-9, atol=1e-9)


@SLOW_MACHINES
@given(problems(), st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_change_the_result(problem: Problem, seed: int) -> None:
    rows, prior = problem.rows, problem.prior
    order = torch.from_numpy(np.random.default_rng(seed).permutation(rows.n_rows))
    spans = [torch.arange(int(rows.indptr[r]), int(rows.indptr[r + 1])) for r in order.tolist()]
    entries = torch.cat(spans)
    shuffled = replace(
        problem,
        rows=SparseRows(
            indptr=torch.tensor([0, *map(len, spans)]).cumsum(0),
            columns=rows.columns[entries],
            values=rows.values[entries],
            weights=rows.weights[entries]
            if isinstance(rows.weights, torch.Tensor)
            else rows.weights,
        ),
        prior=Prior(
            ridge=prior.ridge[order] if isinstance(prior.ridge, torch.Tensor) else prior.ridge,
            precision=prior.precision[order]
            if prior.precision is not None and prior.precision.ndim == 3
            else prior.precision,
            mean=prior.mean[order]
            if prior.mean is not None and prior.mean.ndim == 2
            else prior.mean,
        ),
    )
    torch.testing.assert_close(
        solve(shuffled).mean, solve(problem).mean[order], rtol=1e-9, atol=1e-9
    )


@SLOW_MACHINES
@given(problems())
def test_means_alone_are_those_of_the_whole_posterior(problem: Problem) -> None:
    """Short rows take another way where only their means are asked for."""
    whole = solve(problem, cholesky=True).mean
    torch.testing.assert_close(solve(problem).mean, whole, rtol=1e-7, atol=1e-8)


def long_and_short_rows(dtype: torch.dtype = torch.float32) -> Problem:
    rng = np.random.default_rng(0)
    lengths = np.array([5_000, *rng.integers(0, 40, 500)])
    n_entries = int(lengths.sum())
    return Problem(
        rows=SparseRows(
            indptr=torch.from_numpy(np.concatenate([[0], lengths.cumsum()])),
            columns=torch.from_numpy(rng.integers(0, 300, n_entries).astype(np.int32)),
            values=torch.from_numpy(rng.normal(size=n_entries)).to(dtype),
        ),
        factors=torch.from_numpy(rng.normal(size=(300, 8))).to(dtype),
        prior=Prior(ridge=1.0),
        gram=None,
        offsets=None,
    )


def test_float32_is_close_to_float64_at_any_budget() -> None:
    single, exact = long_and_short_rows(), solve(long_and_short_rows(torch.float64)).mean
    for budget in (1, 10_000, 10_000_000):
        found = solve(single, budget_bytes=budget).mean
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), exact, rtol=1e-4, atol=1e-5)


def test_the_same_call_gives_the_same_bits() -> None:
    problem = long_and_short_rows()
    assert torch.equal(solve(problem).mean, solve(problem).mean)


def test_the_number_of_threads_does_not_change_the_result() -> None:
    problem, before = long_and_short_rows(torch.float64), torch.get_num_threads()
    found = {}
    try:
        for n_threads in (1, 3):
            torch.set_num_threads(n_threads)
            found[n_threads] = solve(problem, budget_bytes=100_000).mean
            assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found[1], found[3], rtol=1e-9, atol=1e-9)


def test_samples_have_the_posterior_s_mean_and_covariance() -> None:
    n, k = 20_000, 3
    generator = torch.Generator().manual_seed(0)
    factors = torch.randn(5, k, generator=generator, dtype=torch.float64)
    rows = SparseRows(
        indptr=torch.arange(0, 4 * n + 1, 4),
        columns=torch.tensor([0, 1, 2, 4]).repeat(n),
        values=torch.tensor([1.0, -1.0, 2.0, 0.5], dtype=torch.float64).repeat(n),
        weights=2.0,
    )
    noise = torch.randn(n, k, generator=generator, dtype=torch.float64)
    found = solve_rows(rows, factors, Prior(ridge=1.0), noise=noise)
    assert found.sample is not None
    used = factors[[0, 1, 2, 4]]
    covariance = torch.linalg.inv(2 * used.T @ used + torch.eye(k, dtype=torch.float64))
    torch.testing.assert_close(found.sample.mean(0), found.mean[0], rtol=0, atol=0.02)
    torch.testing.assert_close(torch.cov(found.sample.T), covariance, rtol=0.05, atol=0.01)


def test_a_row_that_float32_cannot_factor_is_solved_in_float64() -> None:
    # Twice the same large coordinate: in float32 the second pivot drowns in rounding.
    factors = torch.tensor([[4097.0, 4097.0], [1.0, 0.0]])
    rows = SparseRows(
        indptr=torch.tensor([0, 2, 3]),
        columns=torch.tensor([0, 0, 1]),
        values=torch.tensor([8194.0, 8194.0, 1.0]),
    )
    found = solve_rows(rows, factors, Prior(ridge=1e-3)).mean
    torch.testing.assert_close(found[0], torch.tensor([1.0, 1.0]), rtol=1e-3, atol=0)
    torch.testing.assert_close(found[1], torch.tensor([1 / 1.001, 0.0]), rtol=1e-5, atol=0)


def test_a_row_without_entries_and_prior_is_refused_by_number() -> None:
    rows = SparseRows(torch.tensor([0, 1, 1]), torch.tensor([0]), torch.tensor([1.0]))
    with pytest.raises(torch.linalg.LinAlgError, match="row 1"):
        solve_rows(rows, torch.ones(1, 1), Prior())


DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
def test_every_device_gives_what_the_processor_gives(device: str) -> None:
    here = long_and_short_rows()
    parts = (here.rows.indptr, here.rows.columns, here.rows.values)
    rows = SparseRows(*(part.to(device) for part in parts))
    there = replace(here, rows=rows, factors=here.factors.to(device))
    torch.testing.assert_close(solve(there).mean.cpu(), solve(here).mean, rtol=1e-4, atol=1e-5)
