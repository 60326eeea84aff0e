"""What all tests share: the test Hub, and models trained once for the whole run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; threads would fight

import pytest
import torch
from hostile import NAMES, Files, files_in, small_model
from hub_server import hub  # noqa: F401
from hypothesis import settings

import hf_cf
from hf_cf.models import RATING_MODELS
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


@pytest.fixture(scope="session", params=RATING_MODELS)
def small(request: pytest.FixtureRequest, sample: hf_cf.Ratings) -> hf_cf.Recommender:
    """One quickly trained model of every kind."""
    train = sample.take(sample.user_codes <= 80)
    size = {"epochs": 2, "n_factors": 10, "n_hidden": 20, "layers": (20, 10)}
    return fit(train, None, request.param, progress=False, **size)


@pytest.fixture(scope="session")
def stars_only(sample: hf_cf.Ratings) -> hf_cf.Recommender:
    """A model without a ranking head: it orders by predicted stars."""
    train, _ = sample.split(seed=0)
    return fit(train, None, epochs=1, n_factors=10, ranking=None, progress=False)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("whole")
    small_model().save_pretrained(folder)
    return {name: content for name, content in files_in(folder).items() if name in NAMES}


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    # In memory where there is such a place: ten thousand folders are written here.
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="hf_cf_tests_", dir=shared) as folder:
        yield Path(folder)
