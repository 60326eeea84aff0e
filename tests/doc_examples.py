"""The examples of README.md, CONTRIBUTING.md and docs/: code between fences, below a mark."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from locations import ROOT

OFFLINE = {"HF_HUB_OFFLINE": "1"}
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
EXAMPLE = re.compile(
    r"(?:^<!-- ([^\n]*) -->\n)?^( *)```(\w*)\n(.*?)^\2```$", re.MULTILINE | re.DOTALL
)

# Each example in its place, one after the other: Python in one interpreter, commands in a shell.
_RUN = """
import json, subprocess, sys
names = {"__name__": "__main__"}
for place, language, code in json.loads(sys.argv[1]):
    print(place, flush=True)
    if language == "python":
        exec(compile(code, place, "exec"), names)
    else:
        subprocess.run(["bash", "-euc", code], check=True)
"""


@dataclass(frozen=True)
class Example:
    """Code of a page, and the mark above it: ``test: KIND`` or ``not tested: REASON``."""

    place: str
    mark: str
    language: str
    code: str

    @property
    def kind(self) -> str:
        return self.mark.removeprefix("test: ") if self.mark.startswith("test: ") else ""


def all_examples(page: str) -> list[Example]:
    """Everything between fences on a page."""
    text = (ROOT / page).read_text("utf-8")
    return [
        Example(f"{page}:{line_of(text, found)}", found[1] or "", found[3], found[4])
        for found in EXAMPLE.finditer(text)
    ]


def line_of(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start(4))


def examples(page: str, *kinds: str) -> list[Example]:
    """The examples of a page that a test of these kinds runs, in their order; there are some."""
    found = [example for example in all_examples(page) if example.kind in kinds]
    assert found, f"{page} has no example of {kinds}"
    return found


def run_in_order(
    chosen: Iterable[Example], folder: Path, variables: Mapping[str, str] = OFFLINE
) -> str:
    """Run Python and commands as a reader would who types one after the other."""
    steps = [(example.place, example.language, example.code) for example in chosen]
    return run([sys.executable, "-c", _RUN, json.dumps(steps)], folder, variables)


def run(command: list[str], folder: Path, variables: Mapping[str, str] = OFFLINE) -> str:
    """Run a command in a folder, with ``hf-cf`` on the path; what it prints."""
    done = subprocess.run(
        command,
        check=False,
        cwd=folder,
        env=environment_of({"PYTHONPATH": str(ROOT), **variables}),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def page_of(command: list[str], folder: Path, variables: Mapping[str, str]) -> str:
    """The page of the Space that a command starts; then it is stopped."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = environment_of({**OFFLINE, "GRADIO_SERVER_PORT": port, **variables})
    server = subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)
    try:
        for _ in range(1200):
            assert server.poll() is None, "the server has ended"
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"http://127.0.0.1:{port}/", timeout=60).text
            time.sleep(0.25)
        raise AssertionError("no page after five minutes")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def environment_of(variables: Mapping[str, str]) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **variables, "PATH": path}
