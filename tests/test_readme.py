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
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from hub_server import HubServer
from hub_server import environment as client_environment
from locations import ROOT

import hf_cf

OFFLINE = {"HF_HUB_OFFLINE": "1"}
README = (ROOT / "README.md").read_text("utf-8")


def blocks(marker: str) -> list[str]:
    return re.findall(rf"<!-- test: {marker} -->\n```\w+\n(.*?)```", README, re.DOTALL)


def run(command: list[str], folder: Path, variables: Mapping[str, str] = OFFLINE) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **variables, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_block_of_code_is_tested_or_only_make() -> None:
    for marker, code in re.findall(r"(.*)\n```\w+\n(.*?)```", README):
        commands = [line for line in code.splitlines() if line.strip()]
        assert "<!-- test" in marker or all(line.startswith("make ") for line in commands), code


def test_the_five_lines_of_python(tmp_path: Path) -> None:
    for code in blocks("python"):
        assert len([line for line in code.splitlines() if line.strip()]) <= 5
        run([sys.executable, "-c", code], tmp_path)


def test_the_commands(tmp_path: Path) -> None:
    for code in blocks("bash"):
        run(["bash", "-euc", code], tmp_path)
    assert (tmp_path / "models" / "movies" / "metrics.json").exists()


def test_the_publishing_commands(
    hub: HubServer, trained: hf_cf.Recommender, tmp_path: Path
) -> None:
    trained.save_pretrained(tmp_path / "models" / "movies")
    variables = client_environment(hub, tmp_path / "home", token=hub.token)
    for code in blocks("hub"):
        login, *commands = code.splitlines()
        run([*login.split(), "--help"], tmp_path, variables)  # the token is there already
        run(["bash", "-euc", "\n".join(commands)], tmp_path, variables)
    assert "model.safetensors" in hub.repository("user/movies").files("main")
    assert "app.py" in hub.repository("user/movie-night", "space").files("main")


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"`?make (\w+)", README):
        if target not in {"their"}:
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


PAGES = [
    path
    for path in (ROOT / "docs").glob("*.md")
    # Those of api.md ask a Space: tests/space/test_api_examples.py.
    if path.name != "api.md" and "<!-- test: python -->" in path.read_text("utf-8")
]


@pytest.mark.parametrize("page", sorted(path.name for path in PAGES))
def test_the_examples_of_the_docs(page: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    codes = re.findall(r"<!-- test: python -->\n```python\n(.*?)```", text, re.DOTALL)
    assert codes
    for code in codes:
        run([sys.executable, "-c", code], tmp_path)
