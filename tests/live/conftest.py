"""The real Hub, asked only where it is wanted: ``HF_CF_LIVE=1`` and a token in ``HF_TOKEN``."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def is_wanted() -> bool:
    """Whether the real Hub may be asked."""
    return os.environ.get("HF_CF_LIVE") == "1" and bool(os.environ.get("HF_TOKEN"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect these tests where they are not wanted: none of an ordinary run is skipped."""
    if is_wanted():
        return
    ours = [item for item in items if HERE in item.path.parents]
    if ours:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if HERE not in item.path.parents]


@pytest.fixture(scope="session")
def account() -> str:
    """The name of the token's account, which is to be one for tests."""
    from huggingface_hub import HfApi

    return str(HfApi().whoami()["name"])


@pytest.fixture
def repository(account: str) -> Iterator[Callable[..., str]]:
    """Give names of repositories that do not exist; they are deleted afterwards."""
    from huggingface_hub import HfApi

    made: list[tuple[str, str]] = []

    def new(kind: str = "model") -> str:
        made.append((f"{account}/hf-cf-live-{uuid.uuid4().hex[:12]}", kind))
        return made[-1][0]

    yield new
    for name, kind in made:
        with suppress(Exception):
            HfApi().delete_repo(name, repo_type=kind, missing_ok=True)
