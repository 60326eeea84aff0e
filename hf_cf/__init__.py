"""Collaborative filtering for the Hugging Face Hub: train, publish without pickle, recommend."""

__version__ = "0.1.0"

from hf_cf.datasets import load_ratings
from hf_cf.errors import (
    DataFormatError,
    DownloadError,
    HubError,
    ModelFormatError,
    UnknownItem,
    UnknownUser,
)
from hf_cf.ratings import DataSource, Ratings, RatingScale, Vocab
from hf_cf.recommender import Recommender

__all__ = [
    "DataFormatError",
    "DataSource",
    "DownloadError",
    "HubError",
    "ModelFormatError",
    "RatingScale",
    "Ratings",
    "Recommender",
    "UnknownItem",
    "UnknownUser",
    "Vocab",
    "__version__",
    "load_ratings",
]
