"""The site of the docs is built without a warning, and what its examples type works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from locations import ROOT


@pytest.mark.slow
def test_it_is_built_without_a_warning(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        build, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "from_pretrained" in (tmp_path / "reference" / "index.html").read_text("utf-8")
    assert "recommend" in (tmp_path / "index.html").read_text("utf-8")
