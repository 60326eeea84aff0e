"""Ratings in, a `Recommender` out."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hf_cf import __version__
from hf_cf.data.features import design_matrix, find_features
from hf_cf.data.ratings import Ratings
from hf_cf.data.text_embedding import TextEmbedding
from hf_cf.errors import InvalidArgument
from hf_cf.inference.calibration import calibrated_prior
from hf_cf.inference.metadata import TrainingMetadata, installed_versions
from hf_cf.inference.profiles import ProfileStart, fit_profiles
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.inference.rating_head import RatingHead
from hf_cf.inference.scorer import Scorer
from hf_cf.inference.star_errors import star_errors
from hf_cf.inference.trained_model import TrainedModel, trained_vectors
from hf_cf.models import BayesianFactorization, NoStars, RatingModel, UserPrior
from hf_cf.models.threads import limited_to, usable_threads
from hf_cf.recommender import Recommender
from hf_cf.training.against_biases import blended_with_biases, chosen_biases, compared
from hf_cf.training.als import train_als
from hf_cf.training.bayesian import train_bayesian, watched_r_hat
from hf_cf.training.checkpoint import Checkpoint, describe_run
from hf_cf.training.devices import chosen_device
from hf_cf.training.ranking import ImplicitALSConfig, fit_implicit_als
from hf_cf.training.report import with_report
from hf_cf.training.settings import SOLVED, TrainingSettings, settings_for
from hf_cf.training.subsampling import enough

_LEAST_NOISE = 1e-3  # standard deviation of a rating, as a share of the scale


def fit(
    train: Ratings,
    valid: Ratings | None = None,
    model: str | None = None,
    *,
    recipe: str | None = None,
    resume: Recommender | None = None,
    ranking: ImplicitALSConfig | Literal["default"] | None = "default",
    progress: bool = True,
    checkpoint: str | Path | None = None,
    device: str | torch.device | None = None,
    threads: int | None = None,
    cbs: Sequence[Any] = (),
    text: Sequence[str] = (),
    text_model: str | Path | None = None,
    **hyperparameters: Any,
) -> Recommender:
    """Train a recommender.

    Parameters
    ----------
    train : Ratings
        What the model learns from.
    valid : Ratings, optional
        Held-out ratings for the metrics and for choosing the best epoch. Of more than a million,
        the epochs' errors are those of users drawn at random; the final one is of all.
    model : str, optional
        ``dot_product``, ``dot_product_bias``, ``collab_learner`` (the default), ``collab_nn``,
        ``embedding_nn``, ``rating_classifier``, ``als`` or ``bayesian_mf``, with defaults tuned on
        validation data.
    recipe : str, optional
        The settings of one of this project's sources instead: a key of `RECIPES`.
    resume : Recommender, optional
        A ``bayesian_mf`` trained on `train`, whose sampling goes on for ``epochs`` more sweeps
        with the settings that it has, and with those of `hyperparameters`.
    ranking : ImplicitALSConfig, optional
        Settings of the ranking head, which orders recommendations; None trains none, and then
        they are ordered by predicted stars.
    progress : bool
        Whether to show fastai's progress bar and its table of epochs.
    checkpoint : str or Path, optional
        A folder for the state of the training, which is kept in ``checkpoint.safetensors`` after
        each epoch, or each kept sample of ``bayesian_mf``. If it holds the state of this same run,
        training goes on from there, and ends with the same weights, to the last bit, as if it had
        not been interrupted.
    device : str or torch.device, optional
        Where to compute, such as ``"cpu"`` or ``"cuda"``. Where not given, on the GPU, if there
        is one, from a million training ratings on, for ``bayesian_mf`` from 50,000 on. What
        comes back is on the CPU.
    threads : int, optional
        Threads to take. Where not given, as many as PyTorch is told, but no more than cores, or
        than the environment variable ``HF_CF_THREADS`` says.
    cbs : sequence of fastai.callback.core.Callback
        Callbacks of fastai that join the training, such as ``WandbCallback``; not of ``als`` and
        ``bayesian_mf``, which fastai does not train.
    text : sequence of str
        Columns of the catalogue, such as ``["title", "description"]``, whose text is a feature of
        the items, as genres are: in the ranking head and in ``bayesian_mf``, for items with few
        ratings or none. Needs ``pip install 'hf-cf[text]'``.
    text_model : str or Path, optional
        The static model of model2vec that embeds it: a folder, or a repository on the Hub such as
        ``"minishlab/potion-base-8M"``.
    **hyperparameters
        Single settings to replace: fields of `TrainingSettings`.

    Returns
    -------
    Recommender
        With ``metrics`` of the finished model on `valid`, where given: of predictions without
        times, and ``valid_rmse_dated`` of predictions with them where it learned from ``dates``.

    Raises
    ------
    ValueError
        The model, the recipe or a hyperparameter does not exist, or a value is out of bounds; or
        the checkpoint is of other ratings or settings.

    Examples
    --------
    >>> import hf_cf
    >>> train, valid = hf_cf.load_ratings("sample").split()
    >>> rec = fit(train, valid, model="dot_product_bias", epochs=1, progress=False)
    >>> sorted(rec.metrics)[-2:]
    ['valid_rmse', 'valid_rmse_biases']
    """
    if isinstance(ranking, str) and ranking != "default":
        raise ValueError(f"ranking={ranking!r}; give an ImplicitALSConfig, 'default' or None")
    valid = _in_codes_of(train, valid)
    if train.feedback == "implicit" and (model or recipe or resume is not None):
        raise InvalidArgument(
            "these are interactions without stars, on which the ranking head alone is trained; "
            "leave model=, recipe= and resume= out, or load them with feedback='explicit'"
        )
    if resume is None:
        settings = settings_for(model, recipe, n_ratings=len(train), **hyperparameters)
    else:
        settings = _settings_of(resume, train, model, recipe, hyperparameters)
    if cbs and (settings.model in SOLVED or train.feedback == "implicit"):
        raise InvalidArgument("cbs: fastai does not train this model, so it has no callbacks")
    chosen = chosen_device(device, len(train), settings.model)
    if threads is not None and threads < 1:
        raise ValueError(f"threads={threads}; it must be at least 1")
    uses_features = ranking is not None or (settings.model == "bayesian_mf" and settings.features)
    embedding, train = _with_text(train, text, text_model, resume, is_used=uses_features)
    with limited_to(threads or usable_threads()):
        if train.feedback == "implicit":
            trained = _trained_on_interactions(train, valid, ranking, embedding, chosen)
        else:
            trained = _trained(
                settings, train, valid, resume, ranking, embedding, checkpoint, chosen, cbs,
                progress=progress,
            )  # fmt: skip
    return Recommender(trained.to("cpu"))


def _trained(
    settings: TrainingSettings,
    train: Ratings,
    valid: Ratings | None,
    resume: Recommender | None,
    ranking: ImplicitALSConfig | Literal["default"] | None,
    text: TextEmbedding | None,
    checkpoint: str | Path | None,
    device: torch.device,
    cbs: Sequence[Any],
    *,
    progress: bool,
) -> TrainedModel:
    """Train, calibrate and measure on a device."""
    if settings.model == "embedding_nn" and len(train) < 2:
        raise ValueError("embedding_nn needs two training ratings: its batches are normalised")
    watched = None if valid is None else enough(valid, settings.seed)
    module, epochs = _train(
        settings, train, watched, resume, checkpoint, device, cbs, progress=progress
    )
    biases = None if valid is None else chosen_biases(train)
    if watched is not None and biases is not None and settings.keep_best:
        blended_with_biases(module, biases, watched)
    if not module.has_own_prior:
        give_untrained_rows_the_mean(module, train)
    metrics = {"train_mse": star_errors(module, enough(train, settings.seed))["mse"]}
    if not math.isfinite(metrics["train_mse"]):
        raise ValueError(f"training diverged at lr={settings.lr:g}; choose a smaller one")
    if valid is not None:
        metrics |= _valid_errors(settings, module, valid)
        metrics |= _best_epoch(settings, epochs, progress=progress)
    if valid is not None and biases is not None:
        metrics |= compared(metrics["valid_rmse"], biases, valid)
    if isinstance(module, BayesianFactorization):
        metrics["r_hat"] = watched_r_hat(module, valid or train, seed=settings.seed)
    metrics["seconds"] = sum(epoch["seconds"] for epoch in epochs)
    head = None
    if ranking is not None:
        started = time.perf_counter()
        head = _fit_ranking(train, ImplicitALSConfig() if ranking == "default" else ranking, device)
        metrics["ranking_seconds"] = time.perf_counter() - started
    prior = _prior(module, train, watched, metrics.get("valid_mse", metrics["train_mse"]), settings)
    trained = TrainedModel.of_training(
        Scorer(RatingHead(module, prior), head, train.scale, _fit_profiles(module, head, train)),
        train,
        held_out=valid,
        metadata=TrainingMetadata(
            settings.to_dict(), metrics, epochs, _versions("torch", "fastai", "pandas")
        ),
        text=text,
    )
    return with_report(trained, train, valid)


def _versions(*names: str) -> dict[str, str]:
    return {"hf-cf": __version__} | installed_versions(*names)


def _trained_on_interactions(
    train: Ratings,
    valid: Ratings | None,
    ranking: ImplicitALSConfig | Literal["default"] | None,
    text: TextEmbedding | None,
    device: torch.device,
) -> TrainedModel:
    """Train the ranking head alone, on likes, plays or purchases."""
    if ranking is None:
        raise InvalidArgument("interactions without stars train a ranking head; leave ranking out")
    config = ImplicitALSConfig.of_interactions() if ranking == "default" else ranking
    module = NoStars(len(train.users), len(train.items))
    started = time.perf_counter()
    head = _fit_ranking(train, config, device)
    metrics = {"seconds": time.perf_counter() - started}
    settings = {"model": module.name, **asdict(config)}
    rating = RatingHead(module, module.own_prior().to(device))
    trained = TrainedModel.of_training(
        Scorer(rating, head, train.scale, _fit_profiles(module, head, train)),
        train,
        held_out=valid,
        metadata=TrainingMetadata(settings, metrics, [], _versions("torch")),
        text=text,
    )
    return with_report(trained, train, valid)


def _prior(
    model: RatingModel,
    train: Ratings,
    valid: Ratings | None,
    noise: float,
    settings: TrainingSettings,
) -> UserPrior:
    if model.has_own_prior:
        return model.own_prior()
    vectors = trained_vectors(model, train)
    noise = max(noise, (_LEAST_NOISE * (train.scale.max - train.scale.min)) ** 2)
    return calibrated_prior(model, vectors, valid, noise, seed=settings.seed)


def _with_text(
    train: Ratings,
    columns: Sequence[str],
    model: str | Path | None,
    resume: Recommender | None,
    *,
    is_used: bool,
) -> tuple[TextEmbedding | None, Ratings]:
    """How the catalogue's text becomes numbers, and the ratings with these in the catalogue."""
    columns = (columns,) if isinstance(columns, str) else tuple(columns)
    earlier = None if resume is None else resume.trained.text
    if resume is not None and columns and (earlier is None or columns != earlier.columns):
        raise InvalidArgument("text cannot change when sampling is resumed")
    if earlier is not None:
        earlier = earlier.at(model)
        return earlier, replace(train, catalogue=earlier.added_to(train.catalogue))
    if bool(columns) != (model is not None):
        raise InvalidArgument(
            "text= names columns of the catalogue, and text_model= what embeds them; give both"
        )
    if not columns:
        return None, train
    if not is_used:
        raise InvalidArgument("text= is for the ranking head and bayesian_mf, and neither uses it")
    embedding, table = TextEmbedding.fit(train.catalogue, columns, str(model))
    return embedding, replace(train, catalogue=table)


def _in_codes_of(train: Ratings, valid: Ratings | None) -> Ratings | None:
    for kind, ratings in (("training", train), ("validation", valid)):
        if ratings is not None and not len(ratings):
            raise ValueError(f"there are no {kind} ratings")
    if valid is None or (valid.users is train.users and valid.items is train.items):
        return valid
    return valid.recode(train.users, train.items)


def _settings_of(
    rec: Recommender,
    train: Ratings,
    model: str | None,
    recipe: str | None,
    hyperparameters: dict[str, Any],
) -> TrainingSettings:
    """Settings of a model whose sampling goes on."""
    name = rec.model.name
    if name != "bayesian_mf" or model not in (None, name) or recipe is not None:
        raise ValueError(f"sampling of a bayesian_mf can be resumed, not training of {name!r}")
    if rec.users != train.users or rec.items != train.items:
        raise ValueError("resume with the ratings that the model was trained on: the ids differ")
    known = {field.name for field in fields(TrainingSettings)}  # earlier versions had others
    own = {name: value for name, value in rec.metadata.settings.items() if name in known}
    settings = {**own, **hyperparameters}
    fixed = ("n_factors", "features", "implicit", "noise_freedom", "dates", "seed")
    for name in fixed:
        if name in hyperparameters and hyperparameters[name] != rec.metadata.settings.get(name):
            raise ValueError(f"{name} cannot change when sampling is resumed")
    settings["layers"] = tuple(settings["layers"])
    return settings_for(settings.pop("model"), **settings)


def _train(
    settings: TrainingSettings,
    train: Ratings,
    valid: Ratings | None,
    resume: Recommender | None,
    checkpoint: str | Path | None,
    device: torch.device,
    cbs: Sequence[Any],
    *,
    progress: bool,
) -> tuple[RatingModel, list[dict[str, float]]]:
    if resume is not None:
        if checkpoint is not None:
            raise ValueError("give either resume= or checkpoint=: only one says where to go on")
        assert isinstance(resume.model, BayesianFactorization)
        module, epochs = train_bayesian(
            settings, train, valid, progress=progress, resume=resume.model, device=device
        )
        return module, [*resume.metadata.epochs, *epochs]
    kept = None
    if checkpoint is not None:
        kept = Checkpoint(checkpoint, describe_run(settings, train, valid))
    options: dict[str, Any] = {"progress": progress, "checkpoint": kept, "device": device}
    if settings.model == "bayesian_mf":
        return train_bayesian(settings, train, valid, **options)
    if settings.model == "als":
        return train_als(settings, train, valid, **options)
    from hf_cf.training.learner import train_with_fastai  # fastai's import takes seconds

    return train_with_fastai(settings, train, valid, cbs=cbs, **options)


def _valid_errors(
    settings: TrainingSettings, model: RatingModel, valid: Ratings
) -> dict[str, float]:
    """Errors without times, and where the model learned from them, the RMSE with them."""
    errors = {f"valid_{k}": v for k, v in star_errors(model, valid).items()}
    if settings.dates and valid.timestamps is not None:
        errors["valid_rmse_dated"] = star_errors(model, valid, dated=True)["rmse"]
    return errors


def _best_epoch(
    settings: TrainingSettings, epochs: list[dict[str, float]], *, progress: bool
) -> dict[str, float]:
    """Which epoch the weights are of, where it is not the last."""
    if not settings.keep_best or settings.model in SOLVED:
        return {}
    from hf_cf.training.epoch_log import best_epoch

    best = best_epoch(epochs)
    if not best or best is epochs[-1]:
        return {}
    if progress and best["epoch"] == 0:
        print(
            "No epoch had a lower validation error than user and item biases, from which the "
            "training started: these are kept."
        )
    elif progress:
        print(
            f"Validation error rose after epoch {best['epoch']:.0f} of {epochs[-1]['epoch']:.0f}: "
            "the weights of that epoch are kept."
        )
    return {"best_epoch": best["epoch"]}


def _fit_ranking(train: Ratings, config: ImplicitALSConfig, device: torch.device) -> RankingHead:
    known = (train.user_codes > 0) & (train.item_codes > 0)
    if not known.all():
        train = train.take(known)
    model, user_vectors = fit_implicit_als(
        train.user_codes,
        train.item_codes,
        train.stars,
        n_users=len(train.users),
        n_items=len(train.items),
        times=train.timestamps,
        item_features=item_features(train),
        low=train.scale.min,
        high=train.scale.max,
        feedback=train.feedback,
        config=config,
        device=device,
    )
    return RankingHead(model.eval(), user_vectors)


def item_features(ratings: Ratings) -> npt.NDArray[np.float32]:
    """Numbers of the catalogue by item code, (n_items, p); zeros of ``#na#``."""
    features = find_features(ratings.catalogue)
    return np.pad(design_matrix(features, ratings.catalogue), ((1, 0), (0, 0)))


def _fit_profiles(
    model: RatingModel, ranking: RankingHead | None, train: Ratings
) -> ProfileStart | None:
    """Fit how the trained users' vectors follow from what is known of them, if anything is."""
    features = find_features(train.user_features)
    if not features or (model.has_own_prior and ranking is None):
        return None
    assert train.user_features is not None
    trained = np.flatnonzero(train.user_counts()[1:]) + 1
    rows = torch.from_numpy(trained).to(model.device)
    with torch.no_grad():
        vectors = None if model.has_own_prior else model.user_vectors(rows)
    return fit_profiles(
        features,
        train.user_features.loc[trained],
        vectors,
        None if ranking is None else ranking.user_vectors[rows],
    ).to(model.device)


def give_untrained_rows_the_mean(
    model: RatingModel, train: Ratings, item_counts: npt.NDArray[np.int64] | None = None
) -> None:
    """Give users and items without a training rating, and ``#na#``, the mean of the others.

    Their rows hold random numbers otherwise; the mean is what is known of somebody unknown.
    Items have been trained on `item_counts` ratings, (n_items,), where not on those of `train`.
    """
    counted = train.item_counts() if item_counts is None else item_counts
    for tables, counts in zip(model.tables(), (train.user_counts(), counted), strict=True):
        trained = torch.from_numpy(counts > 0).to(model.device)
        trained[0] = False
        for table in tables:
            assert isinstance(table, nn.Embedding)
            with torch.no_grad():
                table.weight[~trained] = table.weight[trained].mean(0)
