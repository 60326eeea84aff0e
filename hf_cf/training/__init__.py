"""Fitting: ratings in, a `Recommender` out. The only part of hf_cf that imports fastai."""

from __future__ import annotations

import math
import platform
import time
from importlib.metadata import version
from typing import Any, Literal

import torch
from torch import nn

from hf_cf.facts import TrainingFacts
from hf_cf.models import RankingHead, RatingModel
from hf_cf.ratings import Ratings
from hf_cf.recommender import Recommender
from hf_cf.settings import MODEL_DEFAULTS, RECIPES, TrainingSettings, settings_for
from hf_cf.training.als import train_als
from hf_cf.training.calibration import calibrated_prior
from hf_cf.training.errors import star_errors
from hf_cf.training.learner import best_epoch, train_with_fastai
from hf_cf.training.portrait import complete
from hf_cf.training.ranking import ImplicitALSConfig, fit_implicit_als

__all__ = [
    "MODEL_DEFAULTS",
    "RECIPES",
    "ImplicitALSConfig",
    "TrainingSettings",
    "fit",
    "settings_for",
]


def fit(
    train: Ratings,
    valid: Ratings | None = None,
    model: str | None = None,
    *,
    recipe: str | None = None,
    ranking: ImplicitALSConfig | Literal["default"] | None = "default",
    progress: bool = True,
    **hyperparameters: Any,
) -> Recommender:
    """Train a recommender.

    Parameters
    ----------
    train : Ratings
        What the model learns from.
    valid : Ratings, optional
        Held-out ratings for the metrics and for choosing the best epoch.
    model : str, optional
        ``dot_product``, ``dot_product_bias``, ``collab_learner`` (the default), ``collab_nn``,
        ``embedding_nn``, ``rating_classifier`` or ``als``, with defaults tuned on validation data.
    recipe : str, optional
        The settings of one of this project's sources instead: a key of `RECIPES`.
    ranking : ImplicitALSConfig, optional
        Settings of the ranking head, which orders recommendations; None trains none, and then
        they are ordered by predicted stars.
    progress : bool
        Whether to show fastai's progress bar and its table of epochs.
    **hyperparameters
        Single settings to replace: fields of `TrainingSettings`.

    Returns
    -------
    Recommender
        With ``metrics`` of the finished model on `valid`, where given.

    Raises
    ------
    ValueError
        The model, the recipe or a hyperparameter does not exist, or a value is out of bounds.

    Examples
    --------
    >>> import hf_cf
    >>> train, valid = hf_cf.load_ratings("sample").split()
    >>> rec = fit(train, valid, model="dot_product_bias", epochs=1, progress=False)
    >>> sorted(rec.metrics)[-2:]
    ['valid_mse', 'valid_rmse']
    """
    settings = settings_for(model, recipe, **hyperparameters)
    if isinstance(ranking, str) and ranking != "default":
        raise ValueError(f"ranking={ranking!r}; give an ImplicitALSConfig, 'default' or None")
    for kind, ratings in (("training", train), ("validation", valid)):
        if ratings is not None and not len(ratings):
            raise ValueError(f"there are no {kind} ratings")
    if valid is not None and not (valid.users is train.users and valid.items is train.items):
        valid = valid.recode(train.users, train.items)
    train_model = train_als if settings.model == "als" else train_with_fastai
    module, epochs = train_model(settings, train, valid, progress=progress)
    give_untrained_rows_the_mean(module, train)
    metrics = {f"train_{k}": v for k, v in star_errors(module, train).items() if k == "mse"}
    if not math.isfinite(metrics["train_mse"]):
        raise ValueError(f"training diverged at lr={settings.lr:g}; choose a smaller one")
    if valid is not None:
        metrics |= {f"valid_{k}": v for k, v in star_errors(module, valid).items()}
        best = best_epoch(epochs)
        if settings.keep_best and settings.model != "als" and best and best is not epochs[-1]:
            metrics["best_epoch"] = best["epoch"]
            if progress:
                print(
                    f"Validation error rose after epoch {best['epoch']:.0f} of {len(epochs)}: "
                    "the weights of that epoch are kept."
                )
    metrics["seconds"] = sum(epoch["seconds"] for epoch in epochs)
    head = None
    if ranking is not None:
        started = time.perf_counter()
        head = _fit_ranking(train, ImplicitALSConfig() if ranking == "default" else ranking)
        metrics["ranking_seconds"] = time.perf_counter() - started
    noise = metrics.get("valid_mse", metrics["train_mse"])
    rec = Recommender.from_parts(
        module,
        train,
        ranking=head,
        prior=calibrated_prior(module, train, valid, noise, seed=settings.seed),
        facts=TrainingFacts(settings.to_dict(), metrics, epochs, _versions()),
    )
    return complete(rec, train, valid)


def _fit_ranking(train: Ratings, config: ImplicitALSConfig) -> RankingHead:
    known = (train.user_codes > 0) & (train.item_codes > 0)
    model, user_vectors = fit_implicit_als(
        train.user_codes[known],
        train.item_codes[known],
        train.stars[known],
        n_users=len(train.users),
        n_items=len(train.items),
        low=train.scale.min,
        high=train.scale.max,
        config=config,
    )
    return RankingHead(model.eval(), user_vectors)


def give_untrained_rows_the_mean(model: RatingModel, train: Ratings) -> None:
    """Give users and items without a training rating, and ``#na#``, the mean of the others.

    Their rows hold random numbers otherwise; the mean is what is known of somebody unknown.
    """
    for tables, counts in zip(
        model.tables(), (train.user_counts(), train.item_counts()), strict=True
    ):
        trained = torch.from_numpy(counts > 0)
        trained[0] = False
        for table in tables:
            assert isinstance(table, nn.Embedding)
            with torch.no_grad():
                table.weight[~trained] = table.weight[trained].mean(0)


def _versions() -> dict[str, str]:
    names = ("hf-cf", "torch", "fastai", "pandas")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
