"""Inject faults into everything that writes, reads, uploads or downloads; write the counts.

``PYTHONPATH=tests python benchmarks/faults.py``. Each file operation and each request goes wrong
once, in each of several ways, and after each the old state or the new one must be whole. A state
that is neither, an error that is no sentence of hf_cf, or a file left over ends the script.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import file_faults
import hub_scenarios
import pytest
from fault_scenarios import Scenario, cut, inject, scenarios
from file_server import FileServer, serving
from hub_server import HubServer, point_client_at
from invented import write_zip

OUT = Path(__file__).parent / "results" / "faults.md"
OUTCOMES = ("no matter", "an error in words", "interrupted", "killed")
Row = tuple[str, str, Counter[str]]


def rows_of_files(name: str, scenario: Scenario, root: Path, step: int = 1) -> list[Row]:
    rows = [
        (name, kind, inject(scenario, root / name / "files", kind, step))
        for kind in file_faults.KINDS
    ]
    return [*rows, (name, "files end in their middle", cut(scenario, root / name, SIZES))]


SIZES = [0, 1, 100, 500, 2000, 5000]


def rows_of_hub(name: str, scenario: Scenario, hub: HubServer, root: Path) -> list[Row]:
    return [
        (name, kind, hub_scenarios.inject_at_hub(scenario, hub, root / name / "hub", kind))
        for kind in hub_scenarios.KINDS
    ]


def rows_of_download(server: FileServer, root: Path) -> list[Row]:
    name, scenario = "download a dataset", hub_scenarios.download_scenario(server)
    rows = [
        (name, kind, hub_scenarios.inject_at_server(scenario, server, root / name, kind))
        for kind in hub_scenarios.DOWNLOAD_KINDS
    ]
    return rows + rows_of_files(name, scenario, root)


def measure(root: Path, step: int) -> list[Row]:
    rows: list[Row] = []
    for name, scenario in scenarios().items():
        # A Space is 170 files, each written in the same way.
        rows += rows_of_files(name, scenario, root, 17 * step if "Space" in name else step)
        print(name, flush=True)
    with serving(write_zip(root / "shipped.zip", "ml-100k").read_bytes()) as server:
        rows += rows_of_download(server, root)
    patch = pytest.MonkeyPatch()
    with HubServer(root / "hub") as hub:
        point_client_at(hub, patch, root / "hf_home")
        patch.setenv("HF_TOKEN", hub.token)
        with contextlib.redirect_stdout(None):
            known = hub_scenarios.hub_scenarios(hub)
        for name, scenario in known.items():
            with contextlib.redirect_stdout(None):
                rows += rows_of_hub(name, scenario, hub, root)
                if "Space" not in name:
                    rows += rows_of_files(name, scenario, root, step)
            print(name, flush=True)
        assert not hub.errors, hub.errors
    patch.undo()
    return rows


def table(rows: list[Row]) -> str:
    lines = [f"| what | the fault | faults | {' | '.join(OUTCOMES)} |", "|---|---|" + "--:|" * 5]
    lines += [
        f"| {name} | {kind} | {found.total()} | "
        + " | ".join(str(found[outcome] or "") for outcome in OUTCOMES)
        + " |"
        for name, kind, found in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", type=int, default=1, help="of file operations, every which one")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable()
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(dir=shared) as root,
        Path(os.devnull).open("w") as nothing,
        contextlib.redirect_stderr(nothing),
    ):
        rows = measure(Path(root), arguments.step)
    total = sum((found for *_, found in rows), Counter[str]())
    minutes = (time.monotonic() - began) / 60
    words = f"""# Faults injected

Written by `benchmarks/faults.py` in {minutes:.0f} minutes. {total.total():,} faults were met by
{len({name for name, *_ in rows})} things that people do. States in which neither the old nor the
new was whole: 0. Errors that were no sentence of hf_cf: 0. Files left over after the next time: 0.
One of these ends the script. "No matter" says that the fault was overcome, or came after the end.

{table(rows)}
"""
    OUT.write_text(words, "utf-8")
    print(f"{total.total():,} faults: {dict(total)}")


if __name__ == "__main__":
    main()
