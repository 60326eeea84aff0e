"""Training steps whose time grows with the batch alone, and whose memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from fastai.callback.core import Callback, CancelBatchException
from torch import Tensor, nn

from hf_cf.training.loaders import RatingsLoader


class SumOfParts(Callback):
    """Makes one step of a batch whose parts come one after another (`RatingsLoader`).

    The gradient is that of the mean over the whole batch. Batch normalisation sees the parts.
    """

    run_valid = False
    order = 20  # after what scales the loss, before the step

    def after_loss(self) -> None:
        """Weigh the part by its share of the batch."""
        self.learn.loss_grad = self.loss_grad * self._loader.parts[self.iter].share

    def before_step(self) -> None:
        """Wait for the last part: neither a step nor gradients set to zero before it."""
        if not self._loader.parts[self.iter].last:
            raise CancelBatchException

    @property
    def _loader(self) -> RatingsLoader:
        loader = self.dls.train
        assert isinstance(loader, RatingsLoader)
        return loader


@contextmanager
def kept_gradients(module: nn.Module) -> Iterator[None]:
    """Let embeddings add to gradients that stay in place, instead of making new ones each time.

    PyTorch's own backward pass of an embedding takes memory for the whole table from the system,
    sets it to zero, adds a few rows and gives it back. On large tables that is most of a step.
    The sums are the same, in the same order.
    """
    tables = [layer for layer in module.modules() if isinstance(layer, nn.Embedding)]
    try:
        for table in tables:
            table.forward = partial(_Rows.apply, table.weight)  # type: ignore[method-assign]
        yield
    finally:
        for table in tables:
            del table.forward
            table.weight.grad = None


class _Rows(torch.autograd.Function):
    """Rows of a table, (B,) to (B, k); their gradients are added to ``weight.grad`` in place."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, codes: Tensor) -> Tensor:
        ctx.weight, ctx.codes = weight, codes
        return weight.index_select(0, codes)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None]:
        weight = ctx.weight
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad.scatter_add_(0, ctx.codes[:, None].expand_as(gradient), gradient)
        return None, None


class InPlaceAdam(torch.optim.Adam):
    """Adam that sets gradients to zero in place."""

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Set all gradients to zero, and keep their memory."""
        super().zero_grad(set_to_none=False)
