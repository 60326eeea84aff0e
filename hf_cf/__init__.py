"""Collaborative filtering for the Hugging Face Hub: train, publish without pickle, recommend."""

__version__ = "0.1.0"

from hf_cf.data.ratings import Ratings
from hf_cf.data.readers import load_ratings
from hf_cf.data.scale import DataSource, RatingScale
from hf_cf.data.vocab import Vocab
from hf_cf.errors import (
    DataFormatError,
    DownloadError,
    HubError,
    ModelFormatError,
    UnknownItem,
    UnknownUser,
)
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
