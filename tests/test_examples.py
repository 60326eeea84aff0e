"""Every example of README.md, CONTRIBUTING.md, docs/ and docstrings works, or says why not."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
from pathlib import Path

import pytest
from doc_examples import PAGES, all_examples, examples, run_in_order
from locations import ROOT

# The pages that a test searches for examples of a kind: without one, all of them, here.
KINDS: dict[str, set[str] | None] = {
    "python": None,
    "bash": None,
    "start": {"docs/start.md"},  # test_readme.py
    "make": {"README.md", "CONTRIBUTING.md"},  # test_readme.py
    "hub": {"README.md", "docs/space.md"},  # test_readme.py, space/test_deployment.py
    "copy": {"CONTRIBUTING.md"},  # test_contributing.py
    "spark": {"docs/spark.md"},  # spark/test_fitting.py
    # space/test_api_examples.py
    **{kind: {"docs/api.md"} for kind in ("space", "curl", "mcp", "error")},
}
WITHOUT_CODE = {"diff", "json", "ts"}
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "hf_cf").rglob("*.py"))
    if ">>> " in path.read_text("utf-8")
]
RUN_HERE = [
    page
    for page in PAGES
    if any(example.kind in {"python", "bash"} for example in all_examples(page))
]


@pytest.mark.parametrize("page", PAGES)
def test_every_example_is_run_by_a_test_or_says_why_not(page: str) -> None:
    found = all_examples(page)
    fences = re.findall(r"^\s*(?:```|~~~)", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    assert len(fences) == 2 * len(found), "a fence that does not close, or in another style"
    for example in found:
        if example.language in WITHOUT_CODE:
            continue
        assert example.language in {"python", "bash"}, example.place
        verb, _, rest = example.mark.partition(": ")
        if verb == "test":
            assert rest in KINDS, example.place
            assert page in (KINDS[rest] or {page}), f"{example.place}: no test looks for it there"
        elif verb == "not tested":
            assert len(rest.split()) >= 3, f"{example.place}: the reason is missing"
            can_be_read(example.language, example.code)
        else:
            assert (verb, page) == ("file", "CONTRIBUTING.md"), f"{example.place}: no mark"


def can_be_read(language: str, code: str) -> None:
    if language == "python":
        compile(code, "example", "exec")
    else:
        subprocess.run(["bash", "-n", "-c", code], check=True)


@pytest.mark.parametrize("page", RUN_HERE)
def test_the_examples_of_a_page_work_one_after_the_other(page: str, tmp_path: Path) -> None:
    run_in_order(examples(page, "python", "bash"), tmp_path)


@pytest.mark.parametrize("module", MODULES)
def test_the_examples_of_docstrings_print_what_stands_there(module: str) -> None:
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0
    assert found.failed == 0
