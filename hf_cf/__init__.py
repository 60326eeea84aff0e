"""Collaborative filtering for the Hugging Face Hub."""

from hf_cf.errors import (
    DataFormatError,
    DownloadError,
    ModelFormatError,
    UnknownItem,
    UnknownUser,
)
from hf_cf.ratings import DataSource, Ratings, RatingScale, Vocab

__all__ = [
    "DataFormatError",
    "DataSource",
    "DownloadError",
    "ModelFormatError",
    "RatingScale",
    "Ratings",
    "UnknownItem",
    "UnknownUser",
    "Vocab",
]
