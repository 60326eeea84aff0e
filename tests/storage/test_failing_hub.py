"""The real ``huggingface_hub`` client while the Hub of the tests fails, is slow or cut off."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from hub_server import HubServer
from huggingface_hub import (
    CommitOperationAdd,
    HfApi,
    constants,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError
from small_repository import REPO, WEIGHTS, api, contents, hub, model, published

__all__ = ["api", "hub", "model", "published"]  # the fixtures

HTTP = importlib.import_module(HTTPError.__module__.split(".")[0])
"""What the client speaks HTTP with: ``httpx2``, and ``httpx`` in its earlier versions."""


def half_files() -> list[Path]:
    return list(Path(constants.HF_HUB_CACHE).rglob("*.incomplete"))


def asked_twice(name: str) -> str:
    """Download a file; earlier clients do not ask again by themselves."""
    try:
        return hf_hub_download(REPO, name)
    except HTTP.TransportError:
        return hf_hub_download(REPO, name)


def test_a_failing_download_is_repeated(hub: HubServer, published: str) -> None:
    hub.fail_next("GET", r"/objects/", status=429)
    assert Path(hf_hub_download(REPO, "model.safetensors")).read_bytes() == WEIGHTS
    assert not hub.pending_faults


def test_a_hub_that_is_down_is_reported_and_then_recovers(hub: HubServer, published: str) -> None:
    hub.fail_next("HEAD", r"config\.json$", status=503, times=20)
    with pytest.raises(LocalEntryNotFoundError):
        hf_hub_download(REPO, "config.json")
    hub.pending_faults.clear()
    assert json.loads(Path(hf_hub_download(REPO, "config.json")).read_text())


def test_a_download_cut_in_the_middle_goes_on_where_it_stopped(
    hub: HubServer, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)  # a cut chunk is lost
    hub.cut_next(r"/objects/", after_bytes=300_000)
    assert Path(asked_twice("model.safetensors")).read_bytes() == WEIGHTS
    first, second = [r for r in hub.requests if r.origin == "storage" and r.method == "GET"]
    assert (first.status, second.status) == (200, 206)
    assert second.headers["range"] == "bytes=300000-"


def test_a_download_that_never_ends_leaves_no_half_file(hub: HubServer, published: str) -> None:
    hub.cut_next(r"/objects/", after_bytes=0, times=20)
    with pytest.raises(HTTP.TransportError):
        snapshot_download(REPO)
    assert not [path for path in contents(constants.HF_HUB_CACHE) if path.endswith("safetensors")]
    hub.pending_faults.clear()
    assert contents(snapshot_download(REPO))["model.safetensors"] == WEIGHTS
    assert not half_files()


@pytest.mark.parametrize("where", ["/objects/", "/commit/"])
def test_an_interrupted_push_leaves_the_old_version_whole(
    hub: HubServer, api: HfApi, published: str, model: Path, where: str
) -> None:
    (model / "model.safetensors").write_bytes(WEIGHTS[::-1])
    hub.cut_next(where, after_bytes=100, times=20)
    with pytest.raises((HTTP.TransportError, RuntimeError)):
        api.upload_folder(repo_id=REPO, folder_path=model)
    assert hub.requests[-1].status == 0
    hub.pending_faults.clear()
    assert contents(snapshot_download(REPO))["model.safetensors"] == WEIGHTS
    api.upload_folder(repo_id=REPO, folder_path=model)
    assert contents(snapshot_download(REPO))["model.safetensors"] == WEIGHTS[::-1]


def test_a_failed_commit_is_told(hub: HubServer, api: HfApi, published: str) -> None:
    hub.fail_next("POST", "/commit/")
    with pytest.raises(HfHubHTTPError, match="500"):
        api.create_commit(REPO, [CommitOperationAdd("a", b"a")], commit_message="Change")
    assert hub.repository(REPO).resolve("main") == published


def test_a_slow_hub_is_not_waited_for_when_the_cache_has_the_file(
    hub: HubServer, published: str
) -> None:
    path = hf_hub_download(REPO, "config.json")
    hub.slow_next(r"config\.json$", seconds=60)
    assert hf_hub_download(REPO, "config.json", etag_timeout=0.1) == path


def test_a_slow_storage_is_asked_again(
    hub: HubServer, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    hub.slow_next(r"/objects/", seconds=60)
    assert Path(asked_twice("model.safetensors")).read_bytes() == WEIGHTS
