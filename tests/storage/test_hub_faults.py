"""Whatever ends a push, a pull, a download or a deployment, the old or the new is whole."""

from __future__ import annotations

from pathlib import Path

import file_faults
import pytest
from fault_scenarios import Scenario, inject
from file_server import serving
from hub_scenarios import (
    DOWNLOAD_KINDS,
    KINDS,
    download_scenario,
    hub_scenarios,
    inject_at_hub,
    inject_at_server,
)
from hub_server import HubServer
from invented import write_zip

NAMES = (
    "push", "push over a model", "load from the Hub", "load a new version", "pull",
    "pull over a model", "deploy a Space", "deploy a Space again",
)  # fmt: skip
STEP = 11

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def known(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, Scenario]:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    found = hub_scenarios(hub)
    assert found.keys() == set(NAMES)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_at_the_hub_leaves_the_old_or_the_new(
    known: dict[str, Scenario], hub: HubServer, scratch: Path, name: str
) -> None:
    for kind in KINDS:
        assert inject_at_hub(known[name], hub, scratch / name, kind, STEP).total() >= 1


@pytest.mark.parametrize("name", NAMES[:-2])
def test_a_fault_in_a_file_leaves_the_old_or_the_new(
    known: dict[str, Scenario], scratch: Path, name: str
) -> None:
    for kind in file_faults.KINDS:
        assert inject(known[name], scratch / name, kind, 17 * STEP).total() >= 1


def test_a_download_is_whole_or_not_there(scratch: Path) -> None:
    with serving(write_zip(scratch / "shipped.zip", "ml-100k").read_bytes()) as server:
        scenario = download_scenario(server)
        for kind in DOWNLOAD_KINDS:
            assert inject_at_server(scenario, server, scratch / "server", kind).total() == 5
        for kind in file_faults.KINDS:
            assert inject(scenario, scratch / "files", kind, STEP).total() >= 1
