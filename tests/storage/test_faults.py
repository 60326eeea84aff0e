"""Whatever ends a save, the old model or the new one loads, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_scenarios import KINDS, Scenario, cut, inject, scenarios


@pytest.fixture(scope="module")
def known() -> dict[str, Scenario]:
    return scenarios()


NAMES = ("save", "save over a model", "load", "keep a checkpoint", "resume", "export a Space")


def test_every_scenario_is_tested(known: dict[str, Scenario]) -> None:
    assert set(NAMES) == known.keys()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_fault_leaves_the_old_or_the_new(
    known: dict[str, Scenario], scratch: Path, name: str, kind: str
) -> None:
    step = {"export a Space": 999}.get(name, 11)
    assert inject(known[name], scratch / f"at {step}: {name}", kind, step).total() >= 1


@pytest.mark.parametrize("name", ["save", "save over a model", "keep a checkpoint"])
def test_a_file_that_ends_in_its_middle_is_no_file(
    known: dict[str, Scenario], tmp_path: Path, name: str
) -> None:
    found = cut(known[name], tmp_path, [0, 100, 2000])
    assert found["an error in words"] >= 3
