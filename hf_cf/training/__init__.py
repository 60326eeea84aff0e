"""Fitting: ratings in, a `Recommender` out. The only room that imports fastai."""

from hf_cf.training.fitting import fit
from hf_cf.training.ranking import ImplicitALSConfig
from hf_cf.training.settings import MODEL_DEFAULTS, RECIPES, TrainingSettings, settings_for

__all__ = [
    "MODEL_DEFAULTS",
    "RECIPES",
    "ImplicitALSConfig",
    "TrainingSettings",
    "fit",
    "settings_for",
]
