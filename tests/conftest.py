"""What all tests share: the test Hub, and models trained once for the whole run."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; threads would fight

import pytest
import torch
from hub_server import hub  # noqa: F401
from hypothesis import settings

import hf_cf
from hf_cf.training import fit

torch.set_num_threads(1)
# A shared machine may be slow for a while; how long an example takes is no property of the code.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")


@pytest.fixture(scope="session")
def sample() -> hf_cf.Ratings:
    return hf_cf.load_ratings("sample")


@pytest.fixture(scope="session")
def trained(sample: hf_cf.Ratings) -> hf_cf.Recommender:
    """A ``collab_learner`` of the sample; tests must not change it."""
    train, valid = sample.split(seed=0)
    return fit(train, valid, epochs=2, progress=False)
