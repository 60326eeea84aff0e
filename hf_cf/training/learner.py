"""A fastai ``Learner`` for every rating model, and its training."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import torch
from fastai.callback.schedule import Learner  # Learner, with fit_one_cycle patched in
from fastai.collab import collab_learner
from fastai.learner import AvgMetric, AvgSmoothLoss, CastToTensor
from fastai.optimizer import OptimWrapper
from fastprogress.fastprogress import IN_NOTEBOOK
from torch import Tensor, nn
from torch.nn import functional as F

from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import RatingScale
from hf_cf.models import RATING_MODELS, RatingClassifier, RatingModel
from hf_cf.models.threads import limited_to, usable_threads
from hf_cf.training.checkpoint import Checkpoint
from hf_cf.training.epoch_log import EpochLog
from hf_cf.training.large_batches import InPlaceAdam, SumOfParts, kept_gradients
from hf_cf.training.loaders import RatingsDataLoaders
from hf_cf.training.resume import Resume
from hf_cf.training.settings import TrainingSettings
from hf_cf.training.start import is_sparse, start_at_biases

SMALL_MODEL = 2_000_000
"""Parameters below which a second thread does not help."""

_TUNED_VARIANCE = 1.267  # of the ratings that the epsilons of Adam were tuned on, in squared stars
_LEAST_GRADIENT = 1e-6


def train_with_fastai(
    settings: TrainingSettings,
    train: Ratings,
    valid: Ratings | None,
    *,
    progress: bool = True,
    checkpoint: Checkpoint | None = None,
    device: torch.device | str = "cpu",
    cbs: Sequence[Any] = (),
) -> tuple[RatingModel, list[dict[str, float]]]:
    """Build a ``Learner`` and train it, with random numbers of its own.

    Returns
    -------
    model : RatingModel
        In evaluation mode, on the device.
    epochs : list of dict
        See `run`.
    """
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        learn, model = build_learner(settings, train, valid, device)
        epochs = run(
            learn, model, settings, progress=progress, checkpoint=checkpoint, cbs=cbs,
            biases=None if settings.start == "random" else _at_biases(learn, model, train),
        )  # fmt: skip
    # A Learner and its callbacks hold each other; without this, its tensors outlive many fits.
    learn.remove_cbs(list(learn.cbs))
    learn.model = learn.dls = learn.opt = None
    return model, epochs


def build_learner(
    settings: TrainingSettings,
    train: Ratings,
    valid: Ratings | None,
    device: torch.device | str = "cpu",
) -> tuple[Learner, RatingModel]:
    """Build the fastai ``Learner`` of some settings, and the pure module that its weights go to.

    ``collab_learner`` and ``embedding_nn`` are fastai's own ``collab_learner``, which trains
    fastai's own model; the others train the pure module itself.
    """
    on_gpu = torch.device(device).type == "cuda"
    scale = train.scale
    ranges = {"auto": scale.output_range, "scale": (scale.min, scale.max)}
    y_range = ranges[settings.y_range] if isinstance(settings.y_range, str) else settings.y_range
    dls = RatingsDataLoaders.from_ratings(train, valid, settings.batch_size, settings.seed, device)
    shape: dict[str, Any] = {"n_users": len(train.users), "n_items": len(train.items)}
    options: dict[str, Any] = {
        "n_factors": settings.n_factors,
        "n_hidden": settings.n_hidden,
        "layers": list(settings.layers),
        "dropout": settings.dropout,
        "y_range": y_range,
        "levels": scale.levels.tolist(),
    }
    kind = RATING_MODELS[settings.model]
    arguments = inspect.signature(kind).parameters
    options = {name: value for name, value in options.items() if name in arguments}
    model = kind(**shape, **options)
    common: dict[str, Any] = {
        "opt_func": _optimizer(settings, on_gpu, _gradient_unit(train, settings)),
        "splitter": _biases_apart,
        "metrics": [StarsMetric(model, "mse", F.mse_loss), StarsMetric(model, "mae", F.l1_loss)],
    }
    if settings.model in ("collab_learner", "embedding_nn"):
        use_nn = settings.model == "embedding_nn"
        learn = collab_learner(dls, use_nn=use_nn, loss_func=FlatMSE(), **options, **common)
    else:
        loss: nn.Module = FlatMSE()
        if isinstance(model, RatingClassifier):
            loss = LevelCrossEntropy(train.scale)
        learn = Learner(dls, _TrainingOutput(model), loss_func=loss, **common)
    if any(part.share < 1 for part in dls.train.parts):
        learn.add_cb(SumOfParts())
    learn.remove_cb(CastToTensor)  # which the loaders yield already
    learn.recorder.smooth_loss = SmoothLoss()
    _initialise(learn.model, settings)
    if settings.start == "biases" or (settings.start == "auto" and is_sparse(train)):
        trained = _trained_part(learn.model)
        trained.load_state_dict(_at_biases(learn, model, train).state_dict())
    return learn, model


def run(
    learn: Learner,
    model: RatingModel,
    settings: TrainingSettings,
    *,
    progress: bool = True,
    checkpoint: Checkpoint | None = None,
    biases: RatingModel | None = None,
    cbs: Sequence[Any] = (),
) -> list[dict[str, float]]:
    """Train, and move the weights into the pure module, which is left in evaluation mode.

    ``biases``, a model that predicts damped biases, is kept where no epoch is better.

    Returns
    -------
    list of dict
        One record an epoch, and one of epoch 0, that of ``biases``, where there are
        validation ratings: ``epoch``, ``seconds``, ``train_loss`` (fastai's running
        mean), and with validation ratings ``valid_loss``, ``valid_mse``, ``valid_mae``.
    """
    record = EpochLog(keep_best=settings.keep_best)
    if biases is not None and len(learn.dls.valid.stars):
        record.start_from(_trained_part(learn.model), biases, _valid_errors(learn, biases))
    callbacks, first = [record], 0
    if checkpoint is not None:
        resume = Resume(checkpoint, record)
        callbacks, first = [record, resume], resume.epochs_done
    callbacks = [*callbacks, *cbs]
    if progress and not (IN_NOTEBOOK or sys.stdout.isatty()):
        # In a log file a progress bar would repeat itself; one line an epoch says the same.
        progress, record.log = False, print
    with (
        nullcontext() if progress else learn.no_bar(),
        nullcontext() if progress else learn.no_logging(),
        limited_to(_threads(model)),
        kept_gradients(learn.model) if learn.dls.device.type == "cpu" else nullcontext(),
    ):
        decay = [settings.wd, settings.wd if settings.decay_biases else 0.0]
        fit = learn.fit_one_cycle if settings.schedule == "one_cycle" else learn.fit
        fit(settings.epochs, settings.lr, wd=decay, cbs=callbacks, start_epoch=first)
    trained = _trained_part(learn.model)
    if trained is not model:
        model.load_state_dict(trained.state_dict())
    model.to(learn.dls.device).eval().requires_grad_(False)
    return [*record.start, *record.epochs]


def _at_biases(learn: Learner, model: RatingModel, train: Ratings) -> RatingModel:
    """Copy the weights that training starts from, with the biases set to damped ones."""
    copy = deepcopy(model)
    copy.load_state_dict(_trained_part(learn.model).state_dict())
    start_at_biases(copy, train)
    return copy


def _valid_errors(learn: Learner, model: RatingModel) -> dict[str, float]:
    model = model.to(learn.dls.device).eval()
    held_out = learn.dls.valid.to(learn.dls.device)
    with torch.no_grad():
        off = torch.cat([(model(pairs) - stars).double() for pairs, stars in held_out])
    return {"valid_mse": float(off.square().mean()), "valid_mae": float(off.abs().mean())}


def _trained_part(module: nn.Module) -> nn.Module:
    return module.model if isinstance(module, _TrainingOutput) else module


def _threads(model: nn.Module) -> int:
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    return 1 if n_parameters < SMALL_MODEL else usable_threads()


class SmoothLoss(AvgSmoothLoss):
    """fastai's running mean of the training loss, without its cost.

    A GPU's is a tensor that stays there: fastai's own copies each batch's loss to the processor,
    which waits for it. A processor's is a plain number: tensors of one number cost more than a
    step's arithmetic.
    """

    val: Tensor | float

    def accumulate(self, learn: Learner) -> None:
        """Count a batch in."""
        self.count += 1
        loss = learn.loss.detach()
        new = loss.item() if loss.device.type == "cpu" else loss
        self.val = new + self.beta * (self.val - new)

    def reset(self) -> None:
        """Begin anew."""
        self.count, self.val = 0, 0.0


class StarsMetric(AvgMetric):
    """Mean over all rows of a loss between predicted and given stars."""

    def __init__(
        self, model: RatingModel, name: str, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> None:
        super().__init__(lambda output, stars: loss(model.read_out(output), stars))
        self._name = name

    @property
    def name(self) -> str:
        """Heading of the column in fastai's table."""
        return self._name


class FlatMSE(nn.Module):
    """Mean squared error of predictions, (B,) or (B, 1), as a plain tensor; fastai's costs more."""

    def forward(self, predicted: Tensor, stars: Tensor) -> Tensor:
        """Return the mean over the batch."""
        return F.mse_loss(predicted.view(-1), stars.view(-1))


class LevelCrossEntropy(nn.Module):
    """Cross-entropy between logits over the rating levels, (B, n), and stars, (B,)."""

    def __init__(self, scale: RatingScale) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, logits: Tensor, stars: Tensor) -> Tensor:
        """Return the mean over the batch; stars between two levels count as the nearer one."""
        level = ((stars - self.scale.min) / self.scale.step).round()
        return F.cross_entropy(logits, level.long().clamp(0, logits.shape[1] - 1))


class _TrainingOutput(nn.Module):
    """Makes `RatingModel.training_output` what a ``Learner`` calls."""

    def __init__(self, model: RatingModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pairs: Tensor) -> Tensor:
        return self.model.training_output(pairs)


def _gradient_unit(train: Ratings, settings: TrainingSettings) -> float:
    """Size of gradients of the squared error for the scale's units, 1 for MovieLens.

    Adam divides by their size, but for its epsilon. The book's recipes have a fixed one.
    """
    if settings.start == "random" or settings.model == "rating_classifier":
        return 1.0
    spread = float(train.stars.var(dtype=np.float64))
    return max(spread / _TUNED_VARIANCE, _LEAST_GRADIENT)


def _optimizer(
    settings: TrainingSettings, on_gpu: bool, unit: float
) -> Callable[..., OptimWrapper]:
    """Build fastai's Adam (betas, epsilon) from PyTorch's fused implementation, which is faster."""
    kind = torch.optim.Adam if on_gpu else InPlaceAdam
    return partial(
        OptimWrapper,
        opt=partial(kind, decoupled_weight_decay=settings.decay == "decoupled"),
        betas=(0.9, settings.beta2),
        eps=settings.eps * unit,
        fused=True,
    )


def _biases_apart(module: nn.Module) -> list[list[nn.Parameter]]:
    """Split parameters into all others and the tables of user and item biases."""
    tables = {
        id(layer.weight)
        for layer in module.modules()
        if isinstance(layer, nn.Embedding) and layer.embedding_dim == 1
    }
    groups: list[list[nn.Parameter]] = [[], []]
    for parameter in module.parameters():
        groups[id(parameter) in tables].append(parameter)
    return groups


def _initialise(module: nn.Module, settings: TrainingSettings) -> None:
    scale = settings.init_scale
    for layer in module.modules():
        if isinstance(layer, nn.Embedding):
            with torch.no_grad():
                if settings.init == "uniform_positive":
                    layer.weight.uniform_(0, scale)
                elif settings.init == "uniform":
                    layer.weight.uniform_(-scale, scale)
                elif settings.init == "normal":
                    layer.weight.normal_(0, scale)
                else:
                    layer.weight.normal_().fmod_(2).mul_(scale)
