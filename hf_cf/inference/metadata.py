"""What is known of how a model came to be."""

from __future__ import annotations

import platform
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

MODEL, ITEM_MEAN, BIASES, MOST_POPULAR = "model", "item mean", "damped biases", "most popular"
RETRAINED, WITH_PROFILE = "retrained", "with profile"
"""Names of the systems that evaluations compare, as folders keep them."""


@dataclass(frozen=True)
class TrainingMetadata:
    """What is known of how a model came to be; empty where nothing is known.

    Attributes
    ----------
    settings : dict
        The hyperparameters, as ``hf_cf.training.TrainingSettings`` names them.
    metrics : dict of str to float
        ``valid_mse``, ``valid_rmse``, ``valid_mae`` of the finished model, in stars, and others.
    epochs : list of dict
        One record an epoch: losses, metrics, seconds.
    versions : dict of str to str
        Libraries that the model was trained with.
    evaluation : dict
        Measurements on held-out ratings next to baselines: ``Evaluation.to_dict`` of
        `hf_cf.evaluation`.
    cold_start : dict
        What the model tells people whom it was not trained on, by the number of ratings given:
        ``ColdStart.to_dict`` of `hf_cf.evaluation`.
    hardware : str
        What it was trained on.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: list[dict[str, float]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    cold_start: dict[str, Any] = field(default_factory=dict)
    hardware: str = ""


def installed_versions(*names: str) -> dict[str, str]:
    """Versions of Python and of packages, without those that are importable but not installed."""
    found = {"python": platform.python_version()}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
