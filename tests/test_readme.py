"""What the README tells people to type works as it stands there."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from doc_examples import OFFLINE, examples, run
from hub_server import HubServer
from hub_server import environment as client_environment
from locations import ROOT

import hf_cf

README = (ROOT / "README.md").read_text("utf-8")


def test_the_quick_start_has_five_lines() -> None:
    for example in examples("README.md", "python"):
        assert len([line for line in example.code.splitlines() if line.strip()]) <= 5


def test_the_publishing_commands(
    hub: HubServer, trained: hf_cf.Recommender, tmp_path: Path
) -> None:
    trained.save_pretrained(tmp_path / "models" / "movies")
    variables = client_environment(hub, tmp_path / "home", token=hub.token)
    for example in examples("README.md", "hub"):
        login, *commands = example.code.splitlines()
        run([*login.split(), "--help"], tmp_path, variables)  # the token is there already
        run(["bash", "-euc", "\n".join(commands)], tmp_path, variables)
    assert "model.safetensors" in hub.repository("user/movies").files("main")
    assert "app.py" in hub.repository("user/movie-night", "space").files("main")


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for example in examples("README.md", "make") + examples("CONTRIBUTING.md", "make"):
        for line in example.code.splitlines():
            program, target, *_ = line.split()
            assert program == "make"
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_files_it_links_to_exist() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


@pytest.mark.slow
def test_make_demo_in_a_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    (clone / ".venv").symlink_to(Path(sys.executable).parents[1])
    # What is installed already is not installed again: the environment counts as made.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    variables = {**os.environ, **OFFLINE, "GRADIO_SERVER_PORT": port, "PYTHONPATH": str(clone)}
    command = ["make", "-o", ".venv/demo", "demo"]
    demo = subprocess.Popen(command, cwd=clone, env=variables, start_new_session=True)
    try:
        assert "What to watch next" in page_at(f"http://127.0.0.1:{port}/", demo)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(demo.pid, signal.SIGTERM)
        demo.wait(30)
    assert (clone / "models" / "sample" / "model.safetensors").exists()


def page_at(address: str, server: subprocess.Popen[bytes]) -> str:
    """The page of a server that is about to start."""
    for _ in range(1200):
        assert server.poll() is None, "the server has ended"
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(address, timeout=60).text
        time.sleep(0.25)
    raise AssertionError("no page after five minutes")
