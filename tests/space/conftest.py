"""A Space of the sample's model that runs while a module's tests do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from calling import served

import hf_cf
from hf_cf.space.service import Service


@pytest.fixture(scope="session")
def service(trained: hf_cf.Recommender) -> Service:
    return Service(trained)


@pytest.fixture(scope="module")
def address(service: Service) -> Iterator[str]:
    """Where the Space of the sample's model is served."""
    with served(service) as url:
        yield url
