"""PyTorch modules: a user vector and items in, stars or scores out."""

from __future__ import annotations

from hf_cf.models.base import RatingModel
from hf_cf.models.bayesian import BayesianFactorization
from hf_cf.models.dot import BiasedFactorization, DotProduct, DotProductBias, EmbeddingDotBias
from hf_cf.models.fold_in import fold_in, posterior_root, predictive_variance
from hf_cf.models.networks import CollabNN, EmbeddingNN, RatingClassifier
from hf_cf.models.no_stars import NoStars
from hf_cf.models.ranking import ImplicitALS
from hf_cf.models.rating_effects import effects
from hf_cf.models.user_prior import UserPrior

RATING_MODELS: dict[str, type[RatingModel]] = {
    model.name: model
    for model in (
        DotProduct,
        DotProductBias,
        EmbeddingDotBias,
        CollabNN,
        EmbeddingNN,
        RatingClassifier,
        BiasedFactorization,
        BayesianFactorization,
    )
}
"""Every rating model by the name that ``fit(model=...)`` and ``config.json`` use."""

STORED_MODELS: dict[str, type[RatingModel]] = {**RATING_MODELS, NoStars.name: NoStars}
"""What ``config.json`` may name: the rating models, and what stands for them without ratings."""


RANKING_MODELS: dict[str, type[ImplicitALS]] = {ImplicitALS.name: ImplicitALS}
"""Every ranking model by the name that ``config.json`` uses."""


__all__ = [
    "RANKING_MODELS",
    "RATING_MODELS",
    "STORED_MODELS",
    "BayesianFactorization",
    "BiasedFactorization",
    "CollabNN",
    "DotProduct",
    "DotProductBias",
    "EmbeddingDotBias",
    "EmbeddingNN",
    "ImplicitALS",
    "NoStars",
    "RatingClassifier",
    "RatingModel",
    "UserPrior",
    "effects",
    "fold_in",
    "posterior_root",
    "predictive_variance",
]
