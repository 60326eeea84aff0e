"""A repository on the Hub of the tests that somebody is logged in to."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_server import HubServer
from huggingface_hub import HfApi, hf_hub_download

from hf_cf.storage import hub_errors

REPO = "user/movies"


@pytest.fixture
def logged_in(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """The Hub, with the user's token in the environment, asked again without waiting."""
    monkeypatch.setenv("HF_TOKEN", hub.token)
    monkeypatch.setattr(hub_errors, "WAITS", (0.0, 0.0))
    return hub


def files_of(hub: HubServer, revision: str = "main") -> dict[str, bytes]:
    api = HfApi(token=hub.token)
    return {
        name: Path(hf_hub_download(REPO, name, revision=revision, token=hub.token)).read_bytes()
        for name in api.list_repo_files(REPO, revision=revision)
    }
