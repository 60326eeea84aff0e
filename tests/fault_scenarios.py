"""What faults are injected into, and what must hold after each: used by tests and benchmarks.

What goes over a network is in `hub_scenarios`.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from file_faults import KINDS, Interrupted, faults, files_cut_at, in_child
from hostile import answers, small_model

from hf_cf import HubError, ModelFormatError, Recommender
from hf_cf.errors import DownloadError, SaveError
from hf_cf.space.files import export_space, space_files
from hf_cf.storage.model_folder import FILES
from hf_cf.training.checkpoint import FILE, Checkpoint, State


@dataclass(frozen=True)
class Scenario:
    """Something that files are written or read by.

    Attributes
    ----------
    prepare, act : callable
        Make the old state in a folder; do what a fault meets.
    check : callable
        Raise AssertionError unless the folder holds the old state or the new one.
    left : callable
        Names in the folder that should not be there after `act` was done once more.
    """

    prepare: Callable[[Path], object]
    act: Callable[[Path], object]
    check: Callable[[Path], None]
    left: Callable[[Path], list[str]]


class Injected(Protocol):
    """A fault, and whether something met it."""

    met: bool


class Models:
    """An old and a new model, and what each answers."""

    def __init__(self) -> None:
        self.old, self.new = small_model(), small_model(seed=1)
        self.known = {answers(self.old), answers(self.new)}

    def check(self, folder: Path) -> None:
        assert answers(Recommender.from_pretrained(folder)) in self.known

    def check_new(self, folder: Path) -> None:
        if any((folder / name).exists() for name in ("config.json", ".model.written")):
            self.check(folder)


def _but(names: set[str]) -> Callable[[Path], list[str]]:
    return lambda folder: sorted({path.name for path in folder.iterdir()} - names)


def _run(seconds: int) -> dict[str, torch.Tensor]:
    return {"weights": torch.full((1000,), float(seconds))}


def _keep(folder: Path, epoch: int) -> None:
    Checkpoint(folder, {"run": 1}).save(State(_run(epoch), {"epochs": epoch}))


def _check_state(folder: Path) -> None:
    state = Checkpoint(folder, {"run": 1}).load()
    assert state is not None
    assert torch.equal(state.tensors["weights"], _run(state.metadata["epochs"])["weights"])
    assert state.metadata["epochs"] in (1, 2)


def _go_on(folder: Path) -> None:
    assert Checkpoint(folder, {"run": 1}).load() is not None
    _keep(folder, 2)


def scenarios() -> dict[str, Scenario]:
    """Every scenario that needs no Hub, by what it does."""
    models = Models()
    model = _but(set(FILES))
    space = _but({"hf_cf", *(name for name in space_files() if "/" not in name)})

    def export(folder: Path) -> object:
        return export_space(folder, "user/movies")

    def exported_again(folder: Path) -> None:
        export(folder)  # what an export left half-way is finished by the next
        found = {path: (folder / path).read_bytes() for path in space_files()}
        assert found == space_files(folder.name, "user/movies")

    return {
        "save": Scenario(lambda _: None, models.new.save_pretrained, models.check_new, model),
        "save over a model": Scenario(
            models.old.save_pretrained, models.new.save_pretrained, models.check, model
        ),
        "load": Scenario(
            models.old.save_pretrained, Recommender.from_pretrained, models.check, model
        ),
        "keep a checkpoint": Scenario(
            lambda folder: _keep(folder, 1), lambda folder: _keep(folder, 2), _check_state,
            _but({FILE}),
        ),
        "resume": Scenario(lambda folder: _keep(folder, 1), _go_on, _check_state, _but({FILE})),
        "export a Space": Scenario(export, export, exported_again, space),
    }  # fmt: skip


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def inject(scenario: Scenario, root: Path, kind: str, step: int = 1) -> Counter[str]:
    """Inject a kind of fault at every `step`-th file operation; count what came of it."""

    def run(folder: Path, at: int, found: Counter[str]) -> bool:
        if kind == "killed":
            return _kill(scenario, folder, at, found)
        return meet(scenario, folder, faults(folder, kind, at), found)

    return each(scenario, root, kind, run, step)


def each(
    scenario: Scenario,
    root: Path,
    kind: str,
    run: Callable[[Path, int, Counter[str]], bool],
    step: int = 1,
) -> Counter[str]:
    """Run with a fault at 1, 1 + `step`, ... until none is met; count what came of it."""
    found: Counter[str] = Counter()
    at = 1
    while True:
        folder = root / f"{kind.replace(' ', '_')}-{at}"
        with _quiet():
            scenario.prepare(folder)
            if not run(folder, at, found):
                return found
            _hold(scenario, folder)
        at += step


def cut(scenario: Scenario, root: Path, sizes: list[int]) -> Counter[str]:
    """Cut every file that is written at these sizes; count what came of it."""
    found: Counter[str] = Counter()
    for size in sizes:
        folder = root / f"cut{size}"
        with _quiet():
            scenario.prepare(folder)
            try:
                with files_cut_at(size):
                    scenario.act(folder)
                found["no matter"] += 1
            except Exception as error:
                _in_words(error)
                found["an error in words"] += 1
            _hold(scenario, folder)
    return found


def _kill(scenario: Scenario, folder: Path, at: int, found: Counter[str]) -> bool:
    def act() -> None:
        with faults(folder, "killed", at):
            scenario.act(folder)

    killed = in_child(act) != 0
    found["killed"] += killed
    return killed


def meet(
    scenario: Scenario,
    folder: Path,
    injecting: AbstractContextManager[Injected],
    found: Counter[str],
) -> bool:
    """Whether the fault was met; what came of it is counted."""
    with injecting as injected:
        try:
            scenario.act(folder)
            outcome = "no matter"
        except Interrupted:
            outcome = "interrupted"
        except Exception as error:
            _in_words(error)
            outcome = "an error in words"
    found[outcome] += injected.met
    return injected.met


def _hold(scenario: Scenario, folder: Path) -> None:
    """Old or new; and after it was done again, nothing else is there."""
    if folder.exists():
        scenario.check(folder)
    scenario.act(folder) if folder.exists() else scenario.prepare(folder)
    if folder.exists():
        scenario.check(folder)
        left = scenario.left(folder)
        assert not left, left


def _in_words(error: Exception) -> None:
    words = str(error)
    if not isinstance(error, SaveError | HubError | DownloadError | ModelFormatError):
        raise error
    assert len(words.split()) >= 4, repr(error)
    assert "Traceback" not in words


__all__ = ["KINDS", "Scenario", "cut", "each", "inject", "meet", "scenarios"]
