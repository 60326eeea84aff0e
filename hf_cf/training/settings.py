"""How a model is trained: every hyperparameter with its meaning, and the recipes by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, Literal

from hf_cf.models import RATING_MODELS


def _setting(default: Any, help_text: str, **extra: Any) -> Any:
    return field(default=default, metadata={"help": help_text, **extra})


@dataclass(frozen=True)
class TrainingSettings:
    """Hyperparameters of one training run; the defaults of a model are in `MODEL_DEFAULTS`.

    Each field's ``help`` metadata is its meaning; the command line makes a flag of each.
    """

    model: str = _setting("collab_learner", "rating model", choices=tuple(RATING_MODELS))
    epochs: int = _setting(
        5,
        "passes over the training ratings; iterations of als; sweeps after the burn-in of "
        "bayesian_mf",
    )
    batch_size: int = _setting(256, "ratings a step")
    lr: float = _setting(5e-3, "peak learning rate")
    wd: float = _setting(0.1, "weight decay")
    decay_biases: bool = _setting(True, "weight decay also on the user and item biases")
    beta2: float = _setting(0.99, "Adam's memory of squared gradients")
    eps: float = _setting(1e-5, "Adam's epsilon: how small a gradient still counts in full")
    n_factors: int = _setting(
        50, "factors a user and an item (dot product models, als, bayesian_mf)"
    )
    n_hidden: int = _setting(100, "width of the hidden layer (collab_nn, rating_classifier)")
    dropout: float = _setting(
        0.0, "share of the embeddings hidden a step (collab_nn, rating_classifier)"
    )
    layers: tuple[int, ...] = _setting((100, 50), "widths of the hidden layers (embedding_nn)")
    y_range: tuple[float, float] | Literal["auto", "scale"] | None = _setting(
        "auto",
        "range of the stars: two numbers; scale: the rating scale; auto: a little wider; "
        "none: unbounded",
    )
    regularization: float = _setting(
        4.5, "shrinkage of the factors, in units of the RMSE of damped biases (als)"
    )
    bias_regularization: float = _setting(
        1.0, "shrinkage of the biases, in units of the damping that cross-validation chooses (als)"
    )
    regularization_exponent: float = _setting(
        0.25, "how shrinkage grows with a row's ratings: 0 not, 1 in proportion (als)"
    )
    burn_in: int = _setting(40, "sweeps before the first that can be kept (bayesian_mf)")
    thin: int = _setting(6, "sweeps from one that is kept to the next (bayesian_mf)")
    max_mb: float = _setting(
        20.0, "megabytes that the kept samples may take in a file; thinned further (bayesian_mf)"
    )
    features: bool = _setting(True, "use the features of users and items (bayesian_mf)")
    implicit: int = _setting(
        1000,
        "most rated items, and most active users, that are features of who rated them or was "
        "rated by them (bayesian_mf)",
    )
    noise_freedom: float = _setting(
        8.0,
        "degrees of freedom by which users' noise differs; 0: all have the same (bayesian_mf)",
    )
    dates: bool = _setting(
        False,
        "effects of every user's sessions (days, tens of minutes, minutes), for predictions of "
        "ratings whose time is known (bayesian_mf)",
    )
    schedule: str = _setting(
        "one_cycle", "course of the learning rate", choices=("one_cycle", "constant")
    )
    decay: str = _setting(
        "decoupled",
        "weight decay as in AdamW, or added to the gradient as L2",
        choices=("decoupled", "l2"),
    )
    init: str = _setting(
        "truncated_normal",
        "distribution that embeddings start from",
        choices=("truncated_normal", "normal", "uniform", "uniform_positive"),
    )
    init_scale: float = _setting(
        0.01, "its standard deviation; of uniform, how far it reaches from 0"
    )
    start: str = _setting(
        "random",
        "where biases start: at random, or at the data's own damped biases; auto: at these where "
        "ratings are few a user and item",
        choices=("random", "biases", "auto"),
    )
    seed: int = _setting(42, "seed of weights and of the order of rows")
    keep_best: bool = _setting(True, "keep the epoch with the lowest validation error")

    def __post_init__(self) -> None:
        for item in fields(self):
            choices = item.metadata.get("choices")
            value = getattr(self, item.name)
            if choices and value not in choices:
                raise ValueError(f"{item.name}={value!r}; choose from {', '.join(choices)}")
        for name in ("epochs", "batch_size", "n_factors", "n_hidden", "thin"):
            self._demand(_is_integer(getattr(self, name), 1), name, "be an integer above 0")
        for name in ("burn_in", "implicit"):
            self._demand(_is_integer(getattr(self, name), 0), name, "be an integer not below 0")
        for name in ("lr", "eps", "init_scale", "regularization", "bias_regularization", "max_mb"):
            value = getattr(self, name)
            self._demand(_is_number(value) and value > 0, name, "be a number above 0")
        for name in ("wd", "noise_freedom"):
            value = getattr(self, name)
            self._demand(_is_number(value) and value >= 0, name, "be a number not below 0")
        self._demand(
            _is_number(self.beta2) and 0 <= self.beta2 < 1, "beta2", "be at least 0, below 1"
        )
        self._demand(
            _is_number(self.dropout) and 0 <= self.dropout < 1, "dropout", "be at least 0, below 1"
        )
        self._demand(_is_integer(self.seed), "seed", "be an integer")
        self._demand(
            isinstance(self.layers, Sequence) and all(_is_integer(n, 1) for n in self.layers),
            "layers", "be integers above 0",
        )  # fmt: skip
        self._demand(
            self.y_range in ("auto", "scale", None) or _is_range(self.y_range),
            "y_range", 'be two numbers, the lower one first, "auto", "scale" or None',
        )  # fmt: skip
        # Batch normalisation has no variance to divide by in a batch of one.
        self._demand(
            self.batch_size > 1 or self.model != "embedding_nn",
            "batch_size", "be at least 2 for embedding_nn",
        )  # fmt: skip

    def _demand(self, met: bool, name: str, demand: str) -> None:
        if not met:
            raise ValueError(f"{name}={getattr(self, name)!r}; it must {demand}")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)


def _is_integer(value: Any, least: float = -math.inf) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_range(value: Any) -> bool:
    if not isinstance(value, Sequence) or len(value) != 2:
        return False
    low, high = value
    return _is_number(low) and _is_number(high) and low < high


_BOOK = TrainingSettings(batch_size=64)

RECIPES: Mapping[str, TrainingSettings] = MappingProxyType(
    {
        "dot_product": replace(_BOOK, model="dot_product", y_range=None, wd=0.0),
        "dot_product_ranged": replace(_BOOK, model="dot_product", wd=0.0),
        "dot_product_bias": replace(_BOOK, model="dot_product_bias", wd=0.0),
        "dot_product_bias_wd": replace(_BOOK, model="dot_product_bias"),
        "raw_parameters": replace(_BOOK, model="dot_product_bias", init="normal"),
        "collab_learner": _BOOK,
        "collab_nn": replace(_BOOK, model="collab_nn"),
        "embedding_nn": replace(_BOOK, model="embedding_nn"),
        "plain_pytorch": replace(
            _BOOK, model="dot_product", y_range=None, wd=0.0, lr=1e-3,
            schedule="constant", init="uniform_positive", init_scale=0.05, beta2=0.999, eps=1e-8,
        ),
        "plain_pytorch_bias": replace(
            _BOOK, model="dot_product_bias", y_range="scale", wd=1e-4, lr=1e-3,
            schedule="constant", decay="l2", init="uniform", init_scale=0.01, beta2=0.999,
            eps=1e-8,
        ),
    }
)  # fmt: skip
"""What the sources of this project train, by name: fast.ai's book, its notebooks, plain PyTorch."""

# Rare rows have tiny gradients, which Adam scales up to full steps; a larger epsilon keeps their
# factors near zero. The biases are few and well determined, so only the factors are decayed.
_TUNED_BIAS = {"start": "auto", "n_factors": 100, "wd": 0.4, "decay_biases": False, "eps": 1e-4}
_TUNED: dict[str, dict[str, Any]] = {
    "collab_learner": _TUNED_BIAS,
    "dot_product_bias": _TUNED_BIAS,
    "collab_nn": {"start": "auto", "dropout": 0.5},
    "rating_classifier": {"start": "auto", "dropout": 0.5},
    "als": {"n_factors": 20, "epochs": 15},
    "bayesian_mf": {"n_factors": 10, "epochs": 600},
}

MODEL_DEFAULTS: Mapping[str, TrainingSettings] = MappingProxyType(
    {
        name: replace(_BOOK, model=name, batch_size=256, **_TUNED.get(name, {}))
        for name in RATING_MODELS
    }
)
"""What `fit` uses for each model unless told otherwise: tuned on validation data."""


SOLVED = ("als", "bayesian_mf")
"""Models that fastai does not train: they have no epochs to choose from or to stop after."""

TUNED_ON = 100_000
"""Ratings of the data that `MODEL_DEFAULTS` were tuned on."""

RATINGS_A_FACTOR = 2_000
"""Ratings for which ``bayesian_mf`` has one factor, at most."""

LEAST_FOR_PATTERNS = 20_000
"""Ratings from which on ``bayesian_mf`` learns from who rated what: of fewer it is noise."""

RATINGS_A_FEATURE = 80
"""Ratings for which ``bayesian_mf`` has one feature of who rated what, at most."""

_LARGEST_BATCH = 2**18
_FEWEST_SWEEPS = 40
_LARGEST_MB = 320.0


def settings_for(
    model: str | None = None,
    recipe: str | None = None,
    *,
    n_ratings: int = 0,
    **hyperparameters: Any,
) -> TrainingSettings:
    """Settings of a recipe or of a model's defaults, with single hyperparameters replaced.

    A model's settings follow the size of the data, see `for_size`, unless ``batch_size`` is given.

    Parameters
    ----------
    model, recipe : str, optional
        A key of `MODEL_DEFAULTS` or of `RECIPES`.
    n_ratings : int
        Ratings to train on.
    **hyperparameters
        Fields of `TrainingSettings`.

    Raises
    ------
    ValueError
        The model, the recipe or a hyperparameter does not exist, or a value is out of bounds.
    """
    if recipe is not None:
        base = _look_up(RECIPES, recipe, "recipe")
        if model not in (None, base.model):
            raise ValueError(f"the recipe {recipe!r} trains {base.model!r}, not {model!r}")
    else:
        base = _look_up(MODEL_DEFAULTS, model or "collab_learner", "model")
        if "batch_size" not in hyperparameters:
            base = for_size(base, n_ratings)
    known = [item.name for item in fields(TrainingSettings)]
    for name in hyperparameters:
        if name not in known:
            raise ValueError(f"{name!r} is not a hyperparameter; there are {', '.join(known)}")
    return replace(base, **hyperparameters)


def for_size(settings: TrainingSettings, n_ratings: int) -> TrainingSettings:
    """Scale the batches of settings that were tuned on `TUNED_ON` ratings, in powers of two.

    An epoch keeps about as many steps as it had there. Larger data has more users and items rather
    than more ratings of each, so that a row meets as many of its ratings a step as before, and the
    learning rate, the momentum and the weight decay stay what they are. What changes is the size
    of a row's gradient, since the mean is over a larger batch: Adam, which divides by that size,
    does not notice, but for its epsilon, which is divided by the same number.

    ``als`` has no batches. From eight times as many ratings on it alternates 5 times at most: the
    longer its rows are, the sooner it has converged.

    From fewer ratings ``bayesian_mf`` learns less: one factor for every `RATINGS_A_FACTOR` of them,
    one feature of who rated what for every `RATINGS_A_FEATURE`, and none of those below
    `LEAST_FOR_PATTERNS`.

    ``bayesian_mf`` makes fewer sweeps, in proportion to the root of the ratings, and a larger file:
    the posterior is narrower, so that fewer samples say as much of it, while each is larger. From
    64 times as many ratings on it has 16 factors.
    """
    if n_ratings:
        patterns = n_ratings // RATINGS_A_FEATURE if n_ratings >= LEAST_FOR_PATTERNS else 0
        settings = replace(settings, implicit=min(settings.implicit, patterns))
        if settings.model == "bayesian_mf":
            factors = max(1, n_ratings // RATINGS_A_FACTOR)
            settings = replace(settings, n_factors=min(settings.n_factors, factors))
    most = _LARGEST_BATCH // settings.batch_size
    factor = min(2 ** max(0, round(math.log2(max(n_ratings, 1) / TUNED_ON))), most)
    scaled = replace(settings, batch_size=settings.batch_size * factor, eps=settings.eps / factor)
    if settings.model == "als" and factor >= 8:
        return replace(scaled, epochs=min(settings.epochs, 5))
    if settings.model == "bayesian_mf" and factor > 1:
        sweeps = max(_FEWEST_SWEEPS, round(settings.epochs / factor**0.5))
        return replace(
            scaled,
            epochs=sweeps,
            burn_in=min(settings.burn_in, sweeps // 3),
            thin=max(1, settings.thin * sweeps // settings.epochs),
            max_mb=min(settings.max_mb * factor, _LARGEST_MB),
            n_factors=16 if factor >= 64 else settings.n_factors,
        )
    return scaled


def _look_up(table: Mapping[str, TrainingSettings], name: str, kind: str) -> TrainingSettings:
    if name not in table:
        raise ValueError(f"there is no {kind} {name!r}; choose from {', '.join(table)}")
    return table[name]
