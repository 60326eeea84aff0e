"""Several processes that ``accelerate launch`` starts train what one would have trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hf_cf
from hf_cf.processes import Processes, processes
from hf_cf.training import fit
from hf_cf.training.data_parallel import MODELS

ROOT = Path(__file__).parents[2]
FLAGS = ["--epochs", "2", "--batch-size", "300", "--seed", "3"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def run(*command: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, command)],
        capture_output=True, text=True, check=False, timeout=300, env=environment(),
    )  # fmt: skip


def launch(*command: Any) -> subprocess.CompletedProcess[str]:
    """Start two processes as the docs say; the flag only says that there are several."""
    launcher = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", 2]
    return run(*launcher, "--main_process_port", 0, *command)


@pytest.mark.slow
def test_two_processes_train_what_one_trains(tmp_path: Path) -> None:
    train = [ROOT / "train.py", "--data", "sample", *FLAGS]
    alone = run(*train, "--out", tmp_path / "alone")
    together = launch(*train, "--out", tmp_path / "together")
    assert alone.returncode == together.returncode == 0, together.stderr
    metrics = {}
    for folder in ("alone", "together"):
        report = json.loads((tmp_path / folder / "metrics.json").read_text())
        metrics[folder] = [*report["epochs"], report["final"]]
    for one, two in zip(metrics["alone"], metrics["together"], strict=True):
        assert one.keys() == two.keys()
        for name in one.keys() - {"seconds", "ranking_seconds"}:
            assert two[name] == pytest.approx(one[name], rel=2e-3), name
    names = [{path.name for path in (tmp_path / each).iterdir()} for each in metrics]
    assert names[0] == names[1]
    for line in ("Epoch 2 of 2", "Held out", "saved to"):  # a single process reports and writes
        assert together.stdout.count(line) == alone.stdout.count(line) == 1
    models = [hf_cf.Recommender.from_pretrained(tmp_path / each) for each in metrics]
    one, two = (model.predict(items=[1, 2, 3], ratings={4: 5}) for model in models)
    assert two == pytest.approx(one, abs=0.02)


SCRIPT = """
import os
import hf_cf
from hf_cf.training import fit

train, valid = hf_cf.load_ratings("sample").split(seed=0)
chosen = dict(epochs=2, batch_size=301, progress=False, ranking=None)
rec = fit(train, valid, "collab_nn", **chosen)
print("together", rec.metrics["valid_mse"], os.environ.get("WORLD_SIZE"))
print("alone", fit(train, valid, "collab_nn", **chosen).metrics["valid_mse"])
"""


@pytest.mark.slow
def test_only_the_main_process_goes_on_after_a_fit(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = launch(tmp_path / "script.py")
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in words] == ["together", "alone"]
    assert words[0][2] == "None"  # nothing looks for the other any longer
    assert float(words[0][1]) == pytest.approx(float(words[1][1]), rel=0.03)  # other dropout


BROKEN = """
import os
from hf_cf.cli import main
from hf_cf.training.loaders import RatingsLoader

visit = RatingsLoader.__iter__

def broken(self):
    for step, batch in enumerate(visit(self)):
        if step == 3 and os.environ["RANK"] == "1":
            os._exit(7)
        yield batch

RatingsLoader.__iter__ = broken
raise SystemExit(main(["train", "--data", "sample", "--out", os.environ["OUT"]]))
"""


@pytest.mark.slow
def test_when_one_process_dies_all_end_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "script.py").write_text(BROKEN)
    monkeypatch.setenv("OUT", str(tmp_path / "model"))
    done = launch(tmp_path / "script.py")  # which fails if it takes 300 s
    assert done.returncode != 0
    assert "exitcode" in done.stderr
    assert not (tmp_path / "model").exists()


@pytest.fixture
def second_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")


@pytest.mark.usefixtures("second_of_two")
@pytest.mark.parametrize("model", sorted({"als", "bayesian_mf", "embedding_nn"}))
def test_what_one_process_must_train_is_refused(sample: hf_cf.Ratings, model: str) -> None:
    assert model not in MODELS
    with pytest.raises(ValueError, match=f"{model} is trained by a single process"):
        fit(sample, model=model, progress=False)


@pytest.mark.usefixtures("second_of_two")
def test_a_run_of_several_cannot_be_resumed(sample: hf_cf.Ratings, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a run of 2 processes cannot be resumed"):
        fit(sample, checkpoint=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("second_of_two")
def test_a_batch_has_a_row_for_each(sample: hf_cf.Ratings) -> None:
    with pytest.raises(ValueError, match="a batch of 1 ratings has not one for each of 2"):
        fit(sample, batch_size=1, progress=False)


@pytest.mark.usefixtures("second_of_two")
def test_without_accelerate_it_says_what_to_install(
    sample: hf_cf.Ratings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'hf-cf\[distributed\]'"):
        fit(sample, progress=False)


def test_a_process_knows_which_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes() == Processes(0, 1)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "2")
    assert processes() == Processes(2, 4)
    assert not processes().is_main
