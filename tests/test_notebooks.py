"""The notebooks run from top to bottom, and are kept with their outputs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest
from locations import ROOT
from nbclient import NotebookClient

import hf_cf

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PARAMETERS = 'data, epochs, sweeps = "ratings.csv", 1, 5'

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def folder(sample: hf_cf.Ratings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a notebook runs: a quarter of the sample's users, no network, this package."""
    titles = sample.catalogue.drop(columns="id").set_axis(sample.catalogue.id)
    table = sample.to_frame().join(titles, on="item")
    table[table.user % 4 == 0].to_csv(tmp_path / "ratings.csv", index=False)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for name, value in {"PATH": path, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.mark.slow
@each
def test_it_runs(path: Path, folder: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = PARAMETERS
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()


@each
def test_it_is_kept_with_its_outputs_and_opens_in_colab(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert f"/blob/main/notebooks/{path.name})" in notebook.cells[0].source
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in codes)
    outputs = [output for cell in codes for output in cell.outputs]
    assert not [one for one in outputs if one.output_type == "error"]
    assert any(one.output_type == "execute_result" for one in outputs)
