"""What each epoch of a fastai ``Learner`` brought."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from fastai.callback.core import Callback, event
from fastcore.basics import noop
from torch import Tensor, nn

_EVENTS = {name for name in vars(event) if not name.startswith("_")}


class EpochLog(Callback):
    """Keeps each epoch's figures, and the weights of the epoch with the lowest validation MSE."""

    order = 70

    def __init__(self, *, keep_best: bool) -> None:
        self.keep_best = keep_best
        self.epochs: list[dict[str, float]] = []
        self.log: Callable[[str], None] | None = None
        self.best: dict[str, Tensor] = {}
        self.start: list[dict[str, float]] = []
        self._start: tuple[nn.Module, nn.Module] | None = None

    def start_from(self, trained: nn.Module, start: nn.Module, errors: dict[str, float]) -> None:
        """Take down what stands for epoch 0, and its validation errors.

        Its weights go to the module that is trained if no epoch is better.
        """
        self.start = [{"epoch": 0.0, "seconds": 0.0} | errors]
        if self.keep_best:
            self._start = (trained, start)

    def before_fit(self) -> None:
        """Give every callback an empty method for each event that it does not handle.

        Otherwise fastai looks for the method in the callback, and then in all that the callback
        refers to, ten thousand times an epoch: a third of a small model's training time.
        """
        self._recorder = self.recorder
        for callback in self.learn.cbs:
            for name in _EVENTS - set(dir(type(callback))):
                vars(callback).setdefault(name, noop)

    def before_epoch(self) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def after_batch(self) -> None:
        """Forget the losses of single batches, which fastai's ``Recorder`` keeps for a plot.

        Thousands of small tensors would stay between large ones that are freed. That fragments the
        memory, and the process grows by gigabytes.
        """
        self._recorder.losses.clear()
        self._recorder.lrs.clear()

    def after_epoch(self) -> None:
        """Take the figures down, and the weights if they are the best so far."""
        if self.epoch < len(self.epochs):  # done before the run was interrupted
            return
        names = ["train_loss", "valid_loss", "valid_mse", "valid_mae"]
        figures = dict(zip(names, self.learn.final_record, strict=True))
        record = {"epoch": float(self.epoch + 1), "seconds": time.perf_counter() - self._started}
        record |= {name: float(value) for name, value in figures.items() if value is not None}
        self.epochs.append(record)
        if self.log is not None:
            shown = ", ".join(f"{k} {v:.4f}" for k, v in record.items() if k in names)
            self.log(
                f"Epoch {self.epoch + 1} of {self.n_epoch}: {shown} ({record['seconds']:.1f} s)"
            )
        if self.keep_best and best_epoch(self.epochs) is record:
            self.best = {k: v.clone() for k, v in self.model.state_dict().items()}

    def after_fit(self) -> None:
        """Go back to the best epoch if it was not the last."""
        if self._start and best_epoch([*self.start, *self.epochs]) is self.start[0]:
            trained, start = self._start
            trained.load_state_dict(start.state_dict())
        elif self.best and best_epoch(self.epochs) is not self.epochs[-1]:
            self.model.load_state_dict(self.best)


def best_epoch(epochs: list[dict[str, float]]) -> dict[str, float] | None:
    """Return the record with the lowest validation MSE, the first of equals; None without any."""
    # The error of a diverged epoch is NaN, which compares as neither higher nor lower.
    validated = [epoch for epoch in epochs if epoch.get("valid_mse", math.nan) < math.inf]
    return min(validated, key=lambda epoch: epoch["valid_mse"]) if validated else None
