"""What faults are injected into that goes over a network, and what must hold after each."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import huggingface_hub
from fault_scenarios import Models, Scenario, each, meet
from file_server import FileServer
from hostile import answers
from hub_server import Fault, HubServer
from huggingface_hub import constants

from hf_cf import Recommender
from hf_cf.data.readers.download import fetch
from hf_cf.data.readers.layouts import DATASETS
from hf_cf.space.deployment import deploy_space
from hf_cf.space.files import space_files
from hf_cf.storage import hub_errors
from hf_cf.storage.publishing import pull

KINDS: dict[str, Callable[[int], Fault]] = {
    "status 503 once": lambda after: Fault("fail", None, "", 503, 1, after),
    "status 500 from then on": lambda after: Fault("fail", None, "", 500, 10**6, after),
    "hung up once": lambda after: Fault("refuse", None, "", 0, 1, after),
    "hung up from then on": lambda after: Fault("refuse", None, "", 0, 10**6, after),
    "cut once": lambda after: Fault("cut", None, "", 20, 1, after),
    "cut from then on": lambda after: Fault("cut", None, "", 20, 10**6, after),
    "done, and the answer lost": lambda after: Fault("lose", None, "", 0, 1, after),
    "done, and answers lost from then on": lambda after: Fault("lose", None, "", 0, 10**6, after),
    "late": lambda after: Fault("slow", None, "", 0.05, 1, after),
}
"""What goes wrong with the request to the Hub that comes after so many others."""

DOWNLOAD_KINDS = ("500", "cut", "wrong bytes", "refuse", "slow")
DATASET = "ml-100k"


@dataclass
class Place:
    """The folders of a scenario: the home of a person, and where temporary files go."""

    folder: Path

    @property
    def repo_id(self) -> str:
        return f"user/{self.folder.name.replace(',', '')}"

    @property
    def space_id(self) -> str:
        return f"{self.repo_id}-space"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Live there, log in nowhere, and wait for nothing."""
        for name in ("home", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        temporary, cache = str(self.folder / "tmp"), str(self.folder / "home" / "hub")
        with (
            mock.patch.object(tempfile, "tempdir", temporary),
            mock.patch.object(constants, "HF_HUB_CACHE", cache),
            mock.patch.object(hub_errors, "WAITS", (0.0, 0.0)),
            mock.patch.dict(os.environ, HF_CF_HOME=str(self.folder / "home" / "hf_cf")),
            mock.patch("pooch.core.time.sleep"),
        ):
            huggingface_hub.close_session()  # a process that is copied must not share connections
            yield

    def left(self) -> list[str]:
        """Temporary files and parts of files, but for those of `huggingface_hub` in its cache."""
        ours = [self.model, self.folder / "home" / "hf_cf"]
        hidden = [path for folder in ours for path in folder.rglob(".*")]
        found = [*(self.folder / "tmp").iterdir(), *hidden]
        return [path.relative_to(self.folder).as_posix() for path in found]


def _in_place(act: Callable[[Place], object]) -> Callable[[Path], None]:
    def run(folder: Path) -> None:
        place = Place(folder)
        with place.entered():
            act(place)

    return run


def hub_scenarios(hub: HubServer) -> dict[str, Scenario]:
    """Every scenario at the Hub, by what it does; ``HF_TOKEN`` is the user's."""
    world = _World(hub)
    models = (world.load, world.loads)
    pulls = (world.pull, lambda place: world.models.check_new(place.model))
    deploys = (world.deploy, world.space_is_known)
    parts: dict[str, tuple[Callable[[Place], object], ...]] = {
        "push": (void, world.push, world.remote_is_known),
        "push over a model": (world.publish_old, world.push, world.remote_is_known),
        "load from the Hub": (world.publish_new, *models),
        "load a new version": (world.cache_old, *models),
        "pull": (world.publish_new, *pulls),
        "pull over a model": (world.save_old, *pulls),
        "deploy a Space": (void, *deploys),
        "deploy a Space again": (world.deploy_old, *deploys),
    }
    return {
        name: Scenario(
            _in_place(prepare), _in_place(act), _in_place(check),
            lambda folder: Place(folder).left(),
        )
        for name, (prepare, act, check) in parts.items()
    }  # fmt: skip


class _World:
    """A Hub, an old and a new model, and what is done with them."""

    def __init__(self, hub: HubServer) -> None:
        self.hub, self.models = hub, Models()
        self.models.old.push_to_hub("user/old")
        self.models.new.push_to_hub("user/new")
        self.old, self.new = self._files("user/old"), self._files("user/new")

    def publish_old(self, place: Place) -> None:
        self.hub.publish(place.repo_id, self.old)

    def publish_new(self, place: Place) -> None:
        self.hub.publish(place.repo_id, self.new)

    def cache_old(self, place: Place) -> None:
        self.publish_old(place)
        self.load(place)
        self.publish_new(place)

    def save_old(self, place: Place) -> None:
        self.models.old.save_pretrained(place.model)
        self.publish_new(place)

    def deploy_old(self, place: Place) -> None:
        deploy_space(place.space_id, "user/new")

    def push(self, place: Place) -> None:
        self.models.new.push_to_hub(place.repo_id)

    def load(self, place: Place) -> Recommender:
        return Recommender.from_pretrained(place.repo_id)

    def pull(self, place: Place) -> None:
        pull(place.repo_id, place.model)

    def deploy(self, place: Place) -> None:
        deploy_space(place.space_id, "user/new@main")

    def remote_is_known(self, place: Place) -> None:
        """The repository is missing or empty, or holds the old model or the new one."""
        found = self._files(place.repo_id)
        found.pop("README.md", None)  # it names the repository
        known = [{**files} for files in (self.old, self.new)]
        for files in known:
            del files["README.md"]
        assert found in ({}, *known)

    def loads(self, place: Place) -> None:
        assert answers(self.load(place)) in self.models.known

    def space_is_known(self, place: Place) -> None:
        """The Space is missing, empty, old or new; settings are never newer than files."""
        found = self._files(place.space_id, "space")
        if not found:
            return
        old, new = (space_files(place.space_id, model) for model in ("user/new", "user/new@main"))
        assert found in (old, new) or found.keys() == {"README.md"}
        settings = self.hub.repository(place.space_id, "space").settings
        variable = settings["variables"]["HF_CF_MODEL"]["value"]
        assert variable == "user/new" or (variable == "user/new@main" and found != old)

    def _files(self, repo_id: str, repo_type: str = "model") -> dict[str, bytes]:
        try:
            repository = self.hub.repository(repo_id, repo_type)
        except KeyError:
            return {}
        return {path: repository.read(path) for path in repository.files() if path[0] != "."}


def void(_: object) -> None:
    """Return nothing, whatever there is."""


def download_scenario(server: FileServer) -> Scenario:
    """Download a dataset into an empty cache."""
    checksum = f"md5:{hashlib.md5(server.content).hexdigest()}"
    dataset = replace(DATASETS[DATASET], checksum=checksum)

    def check(place: Place) -> None:
        path = place.folder / "home" / "hf_cf" / f"{DATASET}.zip"
        assert not path.exists() or path.read_bytes() == server.content

    return Scenario(
        _in_place(void), _in_place(lambda place: fetch(dataset, base_url=server.url)),
        lambda folder: check(Place(folder)), lambda folder: Place(folder).left(),
    )  # fmt: skip


def inject_at_hub(
    scenario: Scenario, hub: HubServer, root: Path, kind: str, step: int = 1
) -> Counter[str]:
    """Inject a kind of fault at every `step`-th request to the Hub; count what came of it."""

    @contextmanager
    def injecting(at: int) -> Iterator[Fault]:
        fault = KINDS[kind](at - 1)
        hub.plan(fault)
        try:
            yield fault
        finally:
            hub.pending_faults.clear()

    def run(folder: Path, at: int, found: Counter[str]) -> bool:
        return meet(scenario, folder, injecting(at), found)

    return each(scenario, root, kind, run, step)


def inject_at_server(scenario: Scenario, server: FileServer, root: Path, kind: str) -> Counter[str]:
    """Let the first requests for a dataset fail, 1 of them, 2, ...; count what came of it."""

    @dataclass
    class Failing:
        met: bool

    @contextmanager
    def injecting(times: int) -> Iterator[Failing]:
        server.faults = [kind] * times
        try:
            yield Failing(times <= 5)  # a download tries four times
        finally:
            server.faults = []

    def run(folder: Path, at: int, found: Counter[str]) -> bool:
        return meet(scenario, folder, injecting(at), found)

    return each(scenario, root, kind, run)
