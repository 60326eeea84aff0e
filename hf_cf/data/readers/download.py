"""Datasets by name: downloaded from GroupLens once, verified, kept as shipped."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hf_cf.data.readers.layouts import Dataset
from hf_cf.data.whole_writes import remove_orphans, replacing
from hf_cf.errors import DownloadError

BASE_URL = "https://files.grouplens.org/datasets/movielens/"
"""Where GroupLens keeps its zips."""

_RETRIES = 3


def cache_folder() -> Path:
    """The folder of downloaded zips: ``HF_CF_HOME``, or ``~/.cache/hf_cf``."""
    home = os.environ.get("HF_CF_HOME")
    return Path(home).expanduser() if home else Path.home() / ".cache" / "hf_cf"


def fetch(dataset: Dataset, *, base_url: str | None = None) -> Path:
    """The zip of a dataset: from the cache, or downloaded into it.

    A download is written next to its place, compared with the known checksum and then moved
    there, so that the cache never holds a part of a file. A cut connection or a wrong checksum
    starts it again, three times. A zip that somebody put into the cache by hand is used as it is.

    Parameters
    ----------
    dataset : Dataset
        What to fetch.
    base_url : str, optional
        The folder to download from; GroupLens where not given.

    Returns
    -------
    Path
        The zip in the cache.

    Raises
    ------
    DownloadError
        The zip is not in the cache and could not be downloaded. The message says which URL to
        download to which path.
    """
    name = f"{dataset.source.name}.zip"
    path = cache_folder() / name
    if path.is_file():
        remove_orphans(path)
        return path
    base_url = base_url or BASE_URL
    try:
        with replacing(path) as new:
            _download_whole(name, new.parent, base_url, dataset.checksum)
    except (_Refused, OSError) as error:
        raise DownloadError(_what_to_do(dataset, base_url + name, path, str(error))) from error
    print(
        f"{dataset.source.name}: {dataset.source.licence}\nCite: {dataset.source.citation}",
        file=sys.stderr,
    )
    return path


class _Refused(Exception):
    """The server cannot be reached, or does not give the file."""


def _download_whole(name: str, folder: Path, base_url: str, checksum: str) -> None:
    # Imported here: pooch and requests take a tenth of a second, which a cached dataset saves.
    import pooch
    import requests

    keeper = pooch.create(
        path=folder, base_url=base_url, registry={name: checksum}, retry_if_failed=_RETRIES
    )
    try:
        keeper.fetch(name, downloader=_download)
    except (requests.exceptions.RequestException, ValueError) as error:
        raise _Refused(str(error)) from error


def _download(url: str, output_file: str, keeper: Any) -> None:
    import pooch
    import requests
    from tqdm import tqdm
    from urllib3.exceptions import NewConnectionError

    # pooch tests the bar's truth, for which tqdm needs a total; pooch then sets the right one.
    name = url.rpartition("/")[2]
    with tqdm(total=1, unit="B", unit_scale=True, desc=name, disable=None) as bar:
        try:
            pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16)(url, output_file, keeper)
        except requests.exceptions.HTTPError as error:
            if error.response is not None and error.response.status_code < 500:
                raise _Refused(str(error)) from error
            raise
        except requests.exceptions.ConnectionError as error:
            reason = getattr(error.args[0] if error.args else None, "reason", None)
            if isinstance(reason, NewConnectionError):
                raise _Refused(f"{url} cannot be reached; is there a network?") from error
            raise


def _what_to_do(dataset: Dataset, url: str, path: Path, reason: str) -> str:
    return (
        f"{dataset.source.name} is not in the cache and could not be downloaded: {reason}\n"
        f"Download {url}\n      to {path}\n"
        "on any machine with a network, and run this again; or pass the path of the zip, or of "
        'the folder in it, instead of the name. `--data sample` (load_ratings("sample")) needs '
        "no network."
    )
