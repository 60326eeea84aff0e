"""Making ``huggingface_hub`` talk to a server, in a new process or in this one."""

from __future__ import annotations

import importlib.util
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants, file_download, hf_api
from huggingface_hub.utils import _cache_manager, _http

from .server import HubServer


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """Run a Hub, to which this process and the processes that it starts now talk.

    Nobody is logged in: pass ``token=hub.token``, or ``monkeypatch.setenv("HF_TOKEN", hub.token)``.
    """
    huggingface_hub.close_session()
    with HubServer(tmp_path / "hub") as server:
        point_client_at(server, monkeypatch, tmp_path / "hf_home")
        yield server
        for error in server.errors:
            raise error
    huggingface_hub.close_session()


def environment(
    server: HubServer, home: Path, *, token: str | None = None, xet: bool = False
) -> dict[str, str]:
    """Return the environment of a new process whose client talks to a server.

    Parameters
    ----------
    server : HubServer
        Whom to talk to.
    home : pathlib.Path
        Its ``HF_HOME``: cache and login.
    token : str, optional
        Its ``HF_TOKEN``; without one, nobody is logged in.
    xet : bool
        Whether files may go by Xet, as they do for most users of the real Hub. Without it they go
        by LFS over HTTP, where the server can log them and fail.
    """
    outside = re.compile("HF_|HUGGING|TRANSFORMERS_OFFLINE$|XDG_CACHE_HOME$|.*_PROXY$", re.I)
    kept = {name: value for name, value in os.environ.items() if not outside.match(name)}
    ours = {
        "HF_ENDPOINT": server.endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    }
    optional = {"HF_TOKEN": token, "HF_HUB_DISABLE_XET": None if xet else "1"}
    return kept | ours | {name: value for name, value in optional.items() if value}


def point_client_at(server: HubServer, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Make the client of this process talk to a server, with an empty cache and nobody logged in.

    ``huggingface_hub`` reads its environment once, on import. So the environment is set, its module
    of constants is executed anew on the side, and each constant that came out different is patched
    into the real module, along with the few places that keep a copy. Waits between retries shrink
    to a hundredth.

    Parameters
    ----------
    server : HubServer
        Whom to talk to.
    monkeypatch : pytest.MonkeyPatch
        Undoes it all.
    home : pathlib.Path
        A new ``HF_HOME``.
    """
    wanted = environment(server, home)
    for name in set(os.environ) - set(wanted):
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.find_spec("huggingface_hub.constants")
    assert spec is not None and spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    for name, value in vars(fresh).items():
        simple = isinstance(value, str | bool | int | frozenset | type(None))
        if simple and not name.startswith("__") and getattr(constants, name) != value:
            monkeypatch.setattr(constants, name, value)
    monkeypatch.setattr(hf_api.api, "endpoint", server.endpoint)
    monkeypatch.setattr(_cache_manager, "HF_HUB_CACHE", constants.HF_HUB_CACHE)
    impatient = SimpleNamespace(sleep=lambda seconds: time.sleep(seconds / 100))
    monkeypatch.setattr(_http, "time", impatient)
    monkeypatch.setattr(file_download, "time", impatient)
