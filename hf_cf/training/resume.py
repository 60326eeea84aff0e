"""A fastai ``Learner`` that goes on where it was killed."""

from __future__ import annotations

from typing import Any

import torch
from fastai.callback.core import Callback

from hf_cf.storage.tensors import under
from hf_cf.training.checkpoint import Checkpoint, State
from hf_cf.training.epoch_log import EpochLog


class Resume(Callback):
    """Keeps the state of a ``Learner`` after each epoch, and begins with what was kept.

    The state is everything that the next epoch depends on: weights, Adam's moments, the random
    generators of the order of rows and of dropout, and the records of the epochs. The learning
    rate follows from the number of the epoch. A run that goes on ends with the same weights, to
    the last bit, as one that was not interrupted.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where the state is kept.
    record : EpochLog
        The callback whose records and best weights belong to the state.
    """

    order = 80  # after the records of the epoch

    def __init__(self, checkpoint: Checkpoint, record: EpochLog) -> None:
        self._checkpoint, self._record = checkpoint, record
        self._state = checkpoint.load()
        self.epochs_done = 0
        if self._state is not None:
            self.epochs_done = len(self._state.metadata["epochs"])

    def before_fit(self) -> None:
        """Put the state that was kept into the place of the new one."""
        if self._state is None:
            return
        tensors, metadata = self._state
        device = self.dls.device
        self._state = None
        self.model.load_state_dict(under("model.", tensors))
        for position, parameter in enumerate(self._parameters()):
            moments = under(f"optimizer.{position}.", tensors)
            self.opt.opt.state[parameter] = {
                # The count of steps stays in float32 on the processor or where Adam wants it.
                name: moment.to(parameter.device)
                for name, moment in moments.items()
            }
        self.dls.train.generator.set_state(tensors["rows"])
        torch.set_rng_state(tensors["torch"])
        if "cuda" in tensors:
            torch.cuda.set_rng_state(tensors["cuda"], self.dls.device)
        if metadata["scaler"]:
            self.learn.scaler.load_state_dict(metadata["scaler"])
        self.recorder.smooth_loss.count = metadata["steps"]
        smooth = tensors["smooth_loss"]
        self.recorder.smooth_loss.val = (
            smooth.to(device) if device.type == "cuda" else smooth.item()
        )
        self._record.epochs, self._record.best = metadata["epochs"], under("best.", tensors)

    def after_epoch(self) -> None:
        """Keep the state."""
        if self.epoch < self.epochs_done:
            return
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self._record.best.items()}
        for position, parameter in enumerate(self._parameters()):
            for name, moment in self.opt.opt.state[parameter].items():
                tensors[f"optimizer.{position}.{name}"] = moment
        tensors["rows"] = self.dls.train.generator.get_state()
        tensors["torch"] = torch.get_rng_state()
        if self.dls.device.type == "cuda":
            tensors["cuda"] = torch.cuda.get_rng_state(self.dls.device)
        tensors["smooth_loss"] = torch.as_tensor(self.recorder.smooth_loss.val, dtype=torch.float64)
        scaler = getattr(self.learn, "scaler", None)
        metadata = {
            "epochs": self._record.epochs,
            "steps": self.recorder.smooth_loss.count,
            "scaler": {} if scaler is None else scaler.state_dict(),
        }
        self._checkpoint.save(State(tensors, metadata))

    def _parameters(self) -> list[Any]:
        return [parameter for group in self.opt.opt.param_groups for parameter in group["params"]]
