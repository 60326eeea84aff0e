"""Training in several processes, each with its share of every batch, to one and the same model.

It is fastai's distributed training, without what its ``distrib_ctx`` does to tables: that wraps the
model in ``DistributedDataParallel``, which keeps every gradient a second time, and the loaders in
``DistributedDL``, which takes batches apart row by row. Here a loader cuts its own share
(`RatingsLoader`), and gradients are added up where they are.
"""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.distributed as dist
from fastai.callback.core import Callback
from fastai.learner import AvgSmoothLoss

from hf_cf.processes import Processes, processes
from hf_cf.settings import TrainingSettings

MODELS = ("dot_product", "dot_product_bias", "collab_learner", "collab_nn", "rating_classifier")
"""Models that train this way. The others are not trained in steps, or normalise over a batch."""

_TOLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def check_processes(settings: TrainingSettings, n_ratings: int, *, goes_on: bool) -> None:
    """Raise ValueError where several processes cannot train what is asked for.

    Parameters
    ----------
    settings : TrainingSettings
        Of the run.
    n_ratings : int
        Training ratings.
    goes_on : bool
        Whether a checkpoint is kept, or a finished model is trained further.
    """
    size = processes().size
    if size == 1:
        return
    if settings.model not in MODELS:
        raise ValueError(
            f"{settings.model} is trained by a single process, and there are {size}; start it "
            f"without accelerate launch, or choose from {', '.join(MODELS)}. Ratings too many for "
            "one machine are trained on by hf-cf spark-train"
        )
    if goes_on:
        raise ValueError(
            f"a run of {size} processes cannot be resumed; leave --resume (checkpoint=, resume=) "
            "out, or start it without accelerate launch"
        )
    least = min(settings.batch_size, n_ratings)
    if least < size:
        raise ValueError(f"a batch of {least} ratings has not one for each of {size} processes")


def join() -> Processes:
    """Meet the other processes, on GPUs where there are, else on processors; at once if alone."""
    here = processes()
    if here.size > 1:
        try:
            from accelerate import PartialState
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"{here.size} processes were started; they need: pip install 'hf-cf[distributed]'",
                name="accelerate",
            ) from error
        PartialState(cpu=not torch.cuda.is_available())
    return here


def leave() -> None:
    """Part when the model is trained: the main process goes on alone, the others end here.

    Raises
    ------
    SystemExit
        In every process but the main one.
    """
    if not dist.is_initialized():
        return
    here = processes()
    dist.barrier()
    dist.destroy_process_group()
    if not here.is_main:
        raise SystemExit(0)
    from accelerate.state import AcceleratorState, PartialState

    AcceleratorState._reset_state()
    PartialState._reset_state()
    for name in _TOLD:  # fastai and others would go on looking for the others
        os.environ.pop(name, None)


class SumOfProcesses(Callback):
    """Makes one step of the shares of a batch that several processes have.

    Each weighs its loss by its share of the batch (`SumOfParts`), so that the sum of the gradients
    is that of the mean over the whole batch. Validation errors are over all rows, too.
    """

    order = 9  # before what scales gradients back, before a part that is not the last ends its step

    def __init__(self, here: Processes) -> None:
        self.here = here

    def before_fit(self) -> None:
        """Begin with the same weights, and with random numbers of one's own."""
        for tensor in self.model.state_dict().values():
            dist.broadcast(tensor, 0)
        torch.manual_seed(torch.initial_seed() + self.here.rank)
        self.recorder.smooth_loss = _OwnSmoothLoss()
        self.recorder.smooth_loss.reset()

    def before_step(self) -> None:
        """Add the gradients up once the last part of the batch is there."""
        if self.dls.train.parts[self.iter].last:
            sums = [
                dist.all_reduce(parameter.grad, async_op=True)
                for parameter in self.model.parameters()
            ]
            for each in sums:
                each.wait()

    def after_train(self) -> None:
        """Take the mean of the running losses."""
        smooth = self.recorder.smooth_loss
        smooth.val = (_sums(self.model, float(smooth.val))[0] / self.here.size).float()

    def after_validate(self) -> None:
        """Add up what the metrics have counted, before they are read."""
        for metric in self.recorder._valid_mets:
            total, count = _sums(self.model, float(metric.total), float(metric.count))
            metric.total, metric.count = total, int(count)


class _OwnSmoothLoss(AvgSmoothLoss):
    """The running mean of this process's losses; fastai's asks the others after every batch."""

    val: torch.Tensor

    def accumulate(self, learn: Any) -> None:
        self.count += 1
        self.val = torch.lerp(learn.loss.detach().mean().cpu(), self.val, self.beta)


def _sums(module: torch.nn.Module, *values: float) -> torch.Tensor:
    """Sums of numbers over all processes, float64, on the processor."""
    device = next(module.parameters()).device
    numbers = torch.tensor(values, dtype=torch.float64, device=device)
    dist.all_reduce(numbers)
    return numbers.cpu()
