"""What a stranger to the repository relies on: examples that work, workflows that fit the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from doc_examples import examples
from hub_server import HubServer, environment
from locations import ROOT

PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def blocks(before: str) -> list[tuple[str, ...]]:
    return re.findall(before + r"\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_work_in_a_copy_of_the_package(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "hf_cf", tmp_path / "hf_cf")
    shutil.copy(ROOT / "model_card.md", tmp_path)
    for name, code in blocks(r"<!-- file: (\S+) -->\n```python"):
        (tmp_path / name).write_text(code)
    diff = "".join(map(str, blocks("```diff")))
    # No repository, so that the patch is for the files here and not for those of one above.
    alone = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    apply = ["git", "apply", "--whitespace=nowarn", "-"]
    done = subprocess.run(
        apply, input=diff, cwd=tmp_path, env=alone, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    codes = [example.code for example in examples("CONTRIBUTING.md", "copy")]
    assert len(codes) == 3
    run(["-c", "\n".join(codes)], tmp_path, {"PYTHONPATH": str(tmp_path)})
    check = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=E,F,I", "hf_cf"]
    subprocess.run([*check, "--line-length=100"], cwd=tmp_path, check=True)


def run(arguments: list[str], folder: Path, variables: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], check=False, cwd=folder, env={**os.environ, **variables},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


LIVE = ["-m", "pytest", "-n", "0", "-W", "ignore", "-p", "no:cacheprovider", "tests/live"]


@pytest.mark.slow
def test_the_nightly_tests_publish_load_and_delete(hub: HubServer, tmp_path: Path) -> None:
    variables = {**environment(hub, tmp_path / "home", token=hub.token), "PYTHONPATH": str(ROOT)}
    said = run(LIVE, ROOT, variables | {"HF_CF_LIVE": "1"})
    assert "10 passed" in said and "deselected" not in said
    deleted = [request for request in hub.requests if request.method == "DELETE"]
    assert len(deleted) >= 9


def test_the_nightly_tests_are_no_part_of_an_ordinary_run(tmp_path: Path) -> None:
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    variables.pop("HF_CF_LIVE", None)
    done = subprocess.run(
        [sys.executable, *LIVE], check=False, cwd=ROOT, env=variables, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    assert "10 deselected" in done.stdout and "skipped" not in done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_the_workflows_run_exists(path: Path) -> None:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 45
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            for target in re.findall(r"make ([\w-]+)", step.get("run", "")):
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for name in re.findall(r"(?:-[rc]|python) (\S+\.(?:txt|py))", path.read_text("utf-8")):
        assert name == "there.txt" or (ROOT / name).exists(), name


def test_the_forms_and_the_citation_are_complete() -> None:
    for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(path.read_text("utf-8"))
        if path.stem != "config":
            assert {"name", "description", "body"} <= form.keys()
            assert len({part["id"] for part in form["body"]}) == len(form["body"])
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert citation["authors"] == [{"name": "hf_cf contributors"}]
