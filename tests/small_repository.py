"""A small repository on the Hub of the tests, of files that need not be a model."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_server import HubServer, hub
from huggingface_hub import HfApi

__all__ = ["hub"]  # the fixture

REPO = "user/movies"
WEIGHTS = bytes(range(256)) * 4096  # a megabyte
CARD = "---\nlicense: mit\nlibrary_name: hf_cf\n---\n# Movies\n"


@pytest.fixture
def api(hub: HubServer) -> HfApi:
    return HfApi(token=hub.token)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "figures").mkdir(parents=True)
    (folder / "config.json").write_text('{"n_factors": 50}')
    (folder / "README.md").write_text(CARD)
    (folder / "model.safetensors").write_bytes(WEIGHTS)
    (folder / "items.parquet").write_bytes(WEIGHTS[:1000])
    (folder / "figures" / "map.svg").write_text("<svg/>")
    return folder


@pytest.fixture
def published(api: HfApi, model: Path) -> str:
    """Return the commit that holds the model."""
    api.create_repo(REPO)
    return api.upload_folder(repo_id=REPO, folder_path=model).oid


def contents(folder: Path | str) -> dict[str, bytes]:
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
