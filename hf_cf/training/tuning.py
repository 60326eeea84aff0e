"""A search for hyperparameters on validation data, with optuna."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import optuna
import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from hf_cf.data.ratings import Ratings
from hf_cf.data.whole_writes import replacing
from hf_cf.errors import InvalidArgument
from hf_cf.evaluation import evaluate
from hf_cf.training.fitting import fit
from hf_cf.training.ranking import FACTORS, ImplicitALSConfig
from hf_cf.training.settings import SOLVED, settings_for

Objective = Literal["stars", "lists"]

JOURNAL, TRIALS, BEST = "tuning.journal", "tuning.csv", "tuning.json"

_GRADIENT = {
    "lr": FloatDistribution(5e-4, 2e-2, log=True),
    "wd": FloatDistribution(1e-3, 1.0, log=True),
    "epochs": IntDistribution(3, 15),
}
_DOT = _GRADIENT | {
    "n_factors": IntDistribution(10, 200, log=True),
    "eps": FloatDistribution(1e-6, 1e-3, log=True),
}
_HIDDEN = _GRADIENT | {
    "n_hidden": IntDistribution(32, 256, log=True),
    "dropout": FloatDistribution(0.0, 0.7),
}
SPACES: Mapping[str, Mapping[str, BaseDistribution]] = MappingProxyType(
    {
        "dot_product": _DOT,
        "dot_product_bias": _DOT,
        "collab_learner": _DOT,
        "collab_nn": _HIDDEN,
        "rating_classifier": _HIDDEN,
        "embedding_nn": _GRADIENT,
        "als": {
            "n_factors": IntDistribution(5, 100, log=True),
            "epochs": IntDistribution(5, 30),
            "regularization": FloatDistribution(0.5, 30.0, log=True),
            "bias_regularization": FloatDistribution(0.2, 5.0, log=True),
            "regularization_exponent": FloatDistribution(0.0, 1.0),
        },
        "bayesian_mf": {
            "n_factors": IntDistribution(5, 40, log=True),
            "noise_freedom": FloatDistribution(2.0, 32.0, log=True),
            "features": CategoricalDistribution([False, True]),
        },
    }
)
"""What is searched for the stars of each rating model: fields of `TrainingSettings`."""

LISTS: Mapping[str, BaseDistribution] = MappingProxyType(
    {
        "factors": IntDistribution(16, 256, log=True),
        "iterations": IntDistribution(5, 20),
        "unobserved": FloatDistribution(0.01, 1.0, log=True),
        "regularization": FloatDistribution(0.003, 0.3, log=True),
        "average_weight": FloatDistribution(0.1, 10.0, log=True),
        "feature_share": FloatDistribution(0.0, 1.0),
    }
)
"""What is searched for the lists: fields of `ImplicitALSConfig`."""


_MEASURES = {"stars": "valid_rmse", "lists": "valid_ndcg@10"}
_TRIED = (TrialState.COMPLETE, TrialState.PRUNED)


class Tuned(NamedTuple):
    """The best settings that were found.

    Attributes
    ----------
    settings : dict
        Hyperparameters for `fit`, or fields of `ImplicitALSConfig`.
    value, default_value : float
        RMSE in stars (less is better) or nDCG@10 (more is better) on the validation ratings, of
        these settings and of the defaults. The first is a little too good: it was chosen by it.
    n_trials : int
        Trials that were finished or pruned, earlier ones of the same folder included.
    """

    settings: dict[str, Any]
    value: float
    default_value: float
    n_trials: int


def tune(
    train: Ratings,
    valid: Ratings,
    out: str | Path,
    model: str | None = None,
    *,
    objective: Objective | None = None,
    minutes: float = 10.0,
    trials: int | None = None,
    seed: int = 0,
    progress: bool = True,
    **fixed: Any,
) -> Tuned:
    """Search for hyperparameters by the error on validation ratings.

    The defaults are the first trial, so that what comes back is never worse than they are on
    `valid`. Measure the result on ratings that are in neither part. Trials are kept in `out` one
    by one: a search that is started again there goes on.

    Parameters
    ----------
    train, valid : Ratings
        As for `fit`.
    out : str or Path
        Folder for ``tuning.csv`` (every trial), ``tuning.json`` (the best settings) and
        ``tuning.journal`` (optuna's own record).
    model : str, optional
        As for `fit`.
    objective : {"stars", "lists"}, optional
        RMSE of predicted stars, or nDCG@10 of the ranking head. Stars, where there are any.
    minutes : float
        No trial begins after this time.
    trials : int, optional
        How many to try at most, earlier ones included.
    seed : int
        Seed of the search.
    progress : bool
        Whether to print a line a trial.
    **fixed
        Hyperparameters, by name, that are not searched.

    Raises
    ------
    ValueError
        The objective does not fit the data, a number is out of bounds, or the folder holds a
        search of other data, another model or other fixed hyperparameters.

    Examples
    --------
    >>> import hf_cf, tempfile
    >>> train, valid = hf_cf.load_ratings("sample").split()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = tune(train, valid, folder, "als", trials=2, progress=False)
    >>> found.value <= found.default_value
    True
    """
    if minutes <= 0 or (trials is not None and trials < 1):
        raise InvalidArgument("minutes must be above 0, and trials at least 1")
    search = _search(train, valid, model, objective, fixed)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    study = _study(folder, search, seed)
    until = time.monotonic() + 60 * minutes
    while (trials is None or len(_tried(study)) < trials) and time.monotonic() < until:
        trial = study.ask(dict(search.space))
        try:
            study.tell(trial, search.measured(trial))
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        except BaseException as error:
            study.tell(trial, state=TrialState.FAIL)
            if not (isinstance(error, ValueError) and _tried(study)):  # such as that it diverged
                raise
            continue
        _write(folder, study, search)
        if progress:
            print(_line(study.trials[trial.number], study, search), flush=True)
    return _best(study, search)


@dataclass(frozen=True)
class _Search:
    """One question: which settings are best for these ratings."""

    train: Ratings
    valid: Ratings
    model: str | None
    objective: Objective
    fixed: dict[str, Any]
    space: dict[str, BaseDistribution]
    default: dict[str, Any]

    @property
    def question(self) -> str:
        """What must be the same for trials to be compared."""
        return json.dumps(
            {
                "data": self.train.source.name, "ratings": [len(self.train), len(self.valid)],
                "sum": float(self.valid.stars.sum(dtype="float64")), "model": self.model,
                "objective": self.objective, "fixed": self.fixed,
            }
        )  # fmt: skip

    def measured(self, trial: Trial) -> float:
        """Train with the settings of a trial, and measure."""
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of a bad trial
            return self._measured(trial, {**self.fixed, **trial.params})

    def _measured(self, trial: Trial, settings: dict[str, Any]) -> float:
        if self.objective == "stars":
            callbacks = [] if self.model in SOLVED else [_pruning(trial)]
            rec = fit(
                self.train, self.valid, self.model,
                ranking=None, progress=False, cbs=callbacks, **settings,
            )  # fmt: skip
            return rec.metrics["valid_rmse"]
        config = ImplicitALSConfig(**settings)
        quick: dict[str, Any] = (
            {"model": "als", "epochs": 1} if self.train.feedback == "explicit" else {}
        )
        rec = fit(self.train, None, ranking=config, progress=False, **quick)
        return evaluate(rec, self.train, self.valid, resamples=0).value("ndcg@10")


def _search(
    train: Ratings,
    valid: Ratings,
    model: str | None,
    objective: Objective | None,
    fixed: dict[str, Any],
) -> _Search:
    implicit = train.feedback == "implicit"
    objective = objective or ("lists" if implicit else "stars")
    if objective not in ("stars", "lists"):
        raise InvalidArgument(f"objective={objective!r}; choose from stars, lists")
    if implicit and objective == "stars":
        raise InvalidArgument("these are interactions without stars; tune their lists")
    if objective == "lists" and model is not None:
        raise InvalidArgument("lists are the ranking head's, whatever the model; leave model out")
    if objective == "lists":
        config = ImplicitALSConfig.of_interactions() if implicit else ImplicitALSConfig()
        names = {field.name for field in fields(config)}
        if wrong := sorted(fixed.keys() - names):
            raise InvalidArgument(f"the ranking head has no setting {wrong[0]!r}")
        default = {name: getattr(config, name) for name in LISTS} | {"factors": FACTORS}
        space, model = LISTS, None
    else:
        settings = settings_for(model, n_ratings=len(train), **fixed)
        model, space = settings.model, SPACES[settings.model]
        default = {name: getattr(settings, name) for name in space}
    searched = {name: space[name] for name in space if name not in fixed}
    default = {name: _within(default[name], each) for name, each in searched.items()}
    return _Search(train, valid, model, objective, fixed, searched, default)


def _within(value: Any, allowed: BaseDistribution) -> Any:
    if isinstance(allowed, FloatDistribution | IntDistribution):
        return min(max(value, allowed.low), allowed.high)
    return value


def _pruning(trial: Trial) -> Any:
    """A callback of fastai that ends a trial that is worse than half of the earlier ones."""
    from fastai.callback.core import Callback

    class Pruning(Callback):
        def after_epoch(self) -> None:
            errors = dict(zip(self.recorder.metric_names, self.recorder.log, strict=False))
            trial.report(float(errors["mse"]), int(self.epoch))
            if trial.should_prune():
                raise optuna.TrialPruned("worse than half of the earlier trials")

    return Pruning()


def _study(folder: Path, search: _Search, seed: int) -> optuna.Study:
    """The search of a folder, new or earlier."""
    earlier = (folder / JOURNAL).exists()
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(folder / JOURNAL))),
        study_name="hf_cf", load_if_exists=True, sampler=TPESampler(seed=seed),
        pruner=MedianPruner(n_startup_trials=5, n_warmup_steps=2),
        direction="minimize" if search.objective == "stars" else "maximize",
    )  # fmt: skip
    known = study.user_attrs.get("question")
    if earlier and known not in (None, search.question):
        raise InvalidArgument(
            f"{folder} holds a search of other data or settings ({known}); choose another folder"
        )
    study.set_user_attr("question", search.question)
    # A search that was interrupted in its first trial has not tried the defaults yet.
    if not study.get_trials(deepcopy=False, states=(*_TRIED, TrialState.WAITING)):
        study.enqueue_trial(search.default)
    return study


def _tried(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=_TRIED)


def _best(study: optuna.Study, search: _Search) -> Tuned:
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise InvalidArgument("no trial was finished; give more minutes")
    first, best = _tried(study)[0], study.best_trial  # nothing prunes the first
    assert best.value is not None
    assert first.value is not None
    return Tuned({**search.fixed, **best.params}, best.value, first.value, len(_tried(study)))


def _write(folder: Path, study: optuna.Study, search: _Search) -> None:
    """Write every trial, and the best settings as ``hf-cf train --settings`` reads them."""
    rows = [
        {
            "trial": trial.number, _MEASURES[search.objective]: trial.value,
            "state": trial.state.name.lower(),
            "seconds": trial.duration and round(trial.duration.total_seconds(), 2), **trial.params,
        }
        for trial in _tried(study)
    ]  # fmt: skip
    with replacing(folder / TRIALS) as temporary:
        pd.DataFrame(rows).to_csv(temporary, index=False)
    best = _best(study, search)
    found = {
        "objective": search.objective, "model": search.model, "settings": best.settings,
        "measure": _MEASURES[search.objective], "value": best.value,
        "value_of_defaults": best.default_value, "trials": best.n_trials,
        "data": search.train.source.name,
    }  # fmt: skip
    with replacing(folder / BEST) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n", "utf-8")


def _line(trial: FrozenTrial, study: optuna.Study, search: _Search) -> str:
    value = "pruned" if trial.value is None else f"{trial.value:.4f}"
    settings = ", ".join(
        f"{name} {each:.4g}" if isinstance(each, float) else f"{name} {each}"
        for name, each in trial.params.items()
    )
    best = "  best so far" if trial.number == study.best_trial.number else ""
    return f"{trial.number:4d}  {_MEASURES[search.objective]} {value}  {settings}{best}"
