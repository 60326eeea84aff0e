"""Ridge regression: what it finds, and what it leaves alone."""

from __future__ import annotations

import torch

from hf_cf.models.ridge import ridge


def test_ridge_finds_weights_and_ignores_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    design = 3 + torch.randn(200, 3, generator=generator).double()
    weights = torch.tensor([[1.0, 0], [0, -2], [0, 0]]).double()
    noise = 0.1 * torch.randn(200, 2, generator=generator).double()
    found = ridge(design, 7 + design @ weights + noise)
    torch.testing.assert_close(found.weights.double(), weights, atol=0.03, rtol=0)
    torch.testing.assert_close(found.intercept, torch.full((2,), 7.0), atol=0.2, rtol=0)
    nothing = ridge(design, torch.randn(200, 2, generator=generator).double())
    assert nothing.weights.abs().max() < 0.1


def test_a_row_that_counts_twice_is_as_good_as_two() -> None:
    generator = torch.Generator().manual_seed(1)
    design = torch.randn(40, 2, generator=generator).double()
    targets = 1 + design @ torch.tensor([[2.0], [-1.0]]).double()
    targets[:20] += 1  # so that the rows disagree about the intercept
    importance = torch.ones(40).double()
    importance[:20] = 2
    once = ridge(design, targets, importance)
    twice = ridge(torch.cat([design, design[:20]]), torch.cat([targets, targets[:20]]))
    torch.testing.assert_close(once.intercept, twice.intercept, atol=0.01, rtol=0)
    torch.testing.assert_close(once.weights, twice.weights, atol=0.01, rtol=0)
