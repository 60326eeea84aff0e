"""Downloads from a real server on the loopback, with faults on request."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from file_server import FileServer, serving
from invented import write_zip

from hf_cf.data.readers import download, load_ratings
from hf_cf.data.readers.download import fetch
from hf_cf.data.readers.layouts import DATASETS, Dataset
from hf_cf.errors import DownloadError


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    with serving(write_zip(tmp_path / "shipped.zip", "ml-100k").read_bytes()) as server:
        yield server


@pytest.fixture
def dataset(server: FileServer) -> Dataset:
    checksum = f"md5:{hashlib.md5(server.content).hexdigest()}"
    return replace(DATASETS["ml-100k"], checksum=checksum)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_CF_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    # Between attempts pooch waits for seconds.
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    return tmp_path / "cache"


def test_the_zip_is_kept_as_shipped(server: FileServer, dataset: Dataset, cache: Path) -> None:
    path = fetch(dataset, base_url=server.url)
    assert path == cache / "ml-100k.zip"
    assert path.read_bytes() == server.content
    assert server.requests == ["/ml-100k.zip"]


def test_a_second_time_nothing_is_downloaded(server: FileServer, dataset: Dataset) -> None:
    fetch(dataset, base_url=server.url)
    fetch(dataset, base_url=server.url)
    assert len(server.requests) == 1


def test_licence_and_citation_are_printed_once(
    server: FileServer, dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(dataset, base_url=server.url)
    first = capsys.readouterr().err
    fetch(dataset, base_url=server.url)
    assert "may not be redistributed" in first
    assert "Harper" in first
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "faults", [["cut"], ["wrong bytes"], ["500"], ["503", "cut"], ["cut", "cut", "wrong bytes"]]
)
def test_a_fault_that_passes_is_overcome(
    faults: list[str], server: FileServer, dataset: Dataset
) -> None:
    server.faults = list(faults)
    assert fetch(dataset, base_url=server.url).read_bytes() == server.content
    assert len(server.requests) == len(faults) + 1


@pytest.mark.parametrize("fault", ["cut", "wrong bytes", "500"])
def test_a_fault_that_stays_leaves_nothing_and_says_what_to_do(
    fault: str, server: FileServer, dataset: Dataset, cache: Path
) -> None:
    server.faults = [fault] * 20
    with pytest.raises(DownloadError) as caught:
        fetch(dataset, base_url=server.url)
    assert not cache.exists()
    assert len(server.requests) == 4
    for part in (f"{server.url}ml-100k.zip", str(cache / "ml-100k.zip"), "--data sample"):
        assert part in str(caught.value)


def test_a_file_that_the_server_does_not_have_is_asked_for_once(
    server: FileServer, dataset: Dataset, cache: Path
) -> None:
    server.faults = ["404"] * 20
    with pytest.raises(DownloadError, match="404"):
        fetch(dataset, base_url=server.url)
    assert not cache.exists()
    assert len(server.requests) == 1


def test_an_interrupted_download_leaves_nothing_half(
    server: FileServer, dataset: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    # The bytes are all there when the person presses Ctrl-C, but they are not verified yet.
    monkeypatch.setattr("pooch.core.hash_matches", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(dataset, base_url=server.url)
    assert not cache.exists()


def test_without_a_network_the_error_says_what_to_download_to_where(
    dataset: Dataset, cache: Path, server: FileServer
) -> None:
    nobody = f"http://127.0.0.1:{_free_port()}/"
    with pytest.raises(DownloadError, match="is there a network") as caught:
        fetch(dataset, base_url=nobody)
    for part in (f"{nobody}ml-100k.zip", str(cache / "ml-100k.zip"), "--data sample"):
        assert part in str(caught.value)


def test_a_folder_that_cannot_be_written_is_a_download_error(
    server: FileServer, dataset: Dataset, cache: Path
) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(DownloadError):
        fetch(dataset, base_url=server.url)


def test_a_name_is_downloaded_and_loaded(
    server: FileServer, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "BASE_URL", server.url)
    monkeypatch.setitem(DATASETS, "ml-100k", dataset)
    ratings = load_ratings("ml-100k")
    assert (len(ratings), ratings.source.name) == (7, "ml-100k")


def test_a_zip_put_into_the_cache_by_hand_is_used(cache: Path) -> None:
    cache.mkdir()
    write_zip(cache / "ml-25m.zip", "ml-25m")
    ratings = load_ratings("ml-25m")
    assert (len(ratings), ratings.source.redistributable) == (7, True)


def test_the_cache_is_in_the_home_folder_where_nothing_else_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HF_CF_HOME")
    assert download.cache_folder() == Path.home() / ".cache" / "hf_cf"


def _free_port() -> int:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return server.server_port
