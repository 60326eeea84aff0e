"""The examples of docs/api.md run as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from doc_examples import examples
from locations import ROOT

from hf_cf.space.endpoints import endpoints_of
from hf_cf.space.service import Service

GUIDE = (ROOT / "docs" / "api.md").read_text("utf-8")
LOCAL = "http://127.0.0.1:7860/"


def codes(kind: str) -> list[str]:
    return [example.code for example in examples("docs/api.md", kind)]


def run(command: list[str], code: str, address: str) -> str:
    done = subprocess.run(
        [*command, code.replace(LOCAL, address)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def python() -> list[str]:
    return [sys.executable, "-c"]


def test_the_table_names_the_endpoints(service: Service) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", GUIDE, re.MULTILINE)
    assert rows == [each.name for each in endpoints_of(service).values() if each.public]


def test_gradio_client(address: str, python: list[str]) -> None:
    (code,) = codes("space")
    printed = run(python, code, address).splitlines()
    assert "because you gave" in printed[0]
    assert "Godfather" in printed[3]


def test_curl(address: str) -> None:
    direct, events = (run(["bash", "-euc"], code, address) for code in codes("curl"))
    (stars,) = json.loads(direct)
    assert stars["title"] == "Heat (1995)"
    assert 0.5 <= stars["stars"] <= 5
    assert events.startswith("event: complete\ndata: ")
    assert len(json.loads(events.split("data: ")[1])[0]) == 3


def test_an_agent(address: str, python: list[str]) -> None:
    (code,) = codes("mcp")
    assert len(json.loads(run(python, code, address))) == 3


def test_an_error(address: str) -> None:
    (code,) = codes("error")
    said = json.loads(run(["bash", "-euc"], code, address))
    assert said["title"] == "404 Not Found"
    assert "'Heat (1995)'" in said["error"]
