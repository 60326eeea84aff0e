"""A training run that was interrupted goes on, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open

from hf_cf import ModelFormatError, Ratings, Recommender
from hf_cf.cli import main
from hf_cf.models import RATING_MODELS
from hf_cf.training import fit
from hf_cf.training.checkpoint import FILE, Checkpoint, State

Split = tuple[Ratings, Ratings]
SMALL: dict[str, Any] = {
    "n_factors": 8,
    "n_hidden": 10,
    "layers": (10, 5),
    "dropout": 0.3,
    "ranking": None,
    "progress": False,
}


@pytest.fixture(scope="module")
def few(sample: Ratings) -> Split:
    """Ratings of the first 60 users, a fifth held out."""
    return sample.take(sample.user_codes <= 60).split(seed=0)


def assert_same_weights(one: Recommender, other: Recommender) -> None:
    weights = other.model.state_dict()
    for name, weight in one.model.state_dict().items():
        assert torch.equal(weight, weights[name]), name


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Interrupted(BaseException):
    """Stands for whatever ends a run; nobody catches it."""


def interrupt_after(saves: int, patch: pytest.MonkeyPatch) -> None:
    """End the run once the state was kept so many times."""
    save, count = Checkpoint.save, 0

    def counted(self: Checkpoint, state: State) -> None:
        nonlocal count
        save(self, state)
        count += 1
        if count == saves:
            raise Interrupted

    patch.setattr(Checkpoint, "save", counted)


@pytest.mark.parametrize("model", sorted(RATING_MODELS))
def test_an_interrupted_run_of_any_model_ends_with_the_same_weights(
    few: Split, tmp_path: Path, model: str
) -> None:
    options = {**SMALL, "epochs": 4, "batch_size": 64, "burn_in": 2, "thin": 1}
    whole = fit(*few, model, **options)
    for saves in (1, 2):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
            interrupt_after(saves, patch)
            fit(*few, model, checkpoint=tmp_path, **options)
    resumed = fit(*few, model, checkpoint=tmp_path, **options)
    assert_same_weights(whole, resumed)
    for unbroken, record in zip(whole.metadata.epochs, resumed.metadata.epochs, strict=True):
        assert {**unbroken, "seconds": 0} == {**record, "seconds": 0}


CHILD = """
import sys
import hf_cf
from hf_cf.training import fit
sample = hf_cf.load_ratings("sample")
few = sample.take(sample.user_codes <= 60).split(seed=0)
fit(*few, sys.argv[1], checkpoint=sys.argv[2], epochs=int(sys.argv[3]), n_factors=8, n_hidden=10,
    layers=(10, 5), dropout=0.3, ranking=None, progress=False)
"""


def changes(path: Path, since: int) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return since


@pytest.mark.parametrize(
    ("model", "epochs"), [("collab_nn", 120), ("als", 400), ("bayesian_mf", 200)]
)
def test_a_process_that_was_killed_at_any_moment_goes_on(
    few: Split, tmp_path: Path, model: str, epochs: int
) -> None:
    draw = random.Random()  # another moment each time; the seed would choose one
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, model, str(tmp_path), str(epochs)],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    last = 0
    for _ in range(draw.randint(1, 10)):
        while (now := changes(tmp_path / FILE, last)) == last and child.poll() is None:
            time.sleep(0.001)
        last = now
    time.sleep(draw.random() * 0.05)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    with safe_open(tmp_path / FILE, framework="pt") as file:
        done = len(json.loads(file.metadata()["state"])["facts"]["epochs"])
    assert 1 <= done < epochs
    options = {**SMALL, "epochs": epochs}
    assert_same_weights(
        fit(*few, model, **options), fit(*few, model, checkpoint=tmp_path, **options)
    )
    assert files_in(tmp_path) == [FILE]  # nor what was being written when it was killed


def test_sampling_with_dates_goes_on(few: Split, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    dated = tuple(
        replace(part, timestamps=rng.integers(0, 10**6, len(part)) + 10**9) for part in few
    )
    options = {
        **SMALL, "epochs": 6, "burn_in": 2, "thin": 2, "implicit": 10, "dates": True
    }  # fmt: skip
    whole = fit(*dated, "bayesian_mf", **options)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        interrupt_after(2, patch)
        fit(*dated, "bayesian_mf", checkpoint=tmp_path, **options)
    resumed = fit(*dated, "bayesian_mf", checkpoint=tmp_path, **options)
    assert_same_weights(whole, resumed)
    assert resumed.metrics["valid_rmse_dated"] == whole.metrics["valid_rmse_dated"]


def test_more_draws_and_a_checkpoint_are_two_ways(few: Split, tmp_path: Path) -> None:
    rec = fit(*few, "bayesian_mf", **{**SMALL, "epochs": 4, "burn_in": 1})
    with pytest.raises(ValueError, match="either resume= or checkpoint="):
        fit(*few, resume=rec, checkpoint=tmp_path, progress=False)


def test_a_finished_run_is_not_trained_again(few: Split, tmp_path: Path) -> None:
    options = {**SMALL, "epochs": 2, "checkpoint": tmp_path}
    first = fit(*few, **options)
    changed = (tmp_path / FILE).stat().st_mtime_ns
    again = fit(*few, **options)
    assert (tmp_path / FILE).stat().st_mtime_ns == changed
    assert_same_weights(first, again)
    assert again.metrics["seconds"] == first.metrics["seconds"]


def test_the_best_epoch_is_kept_across_an_interruption(few: Split, tmp_path: Path) -> None:
    by_heart = {
        **SMALL, "epochs": 8, "wd": 0.0, "lr": 0.05, "n_factors": 40, "schedule": "constant"
    }  # fmt: skip
    whole = fit(*few, **by_heart)
    best = int(whole.metrics["best_epoch"])
    assert best < 7
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        interrupt_after(best + 1, patch)
        fit(*few, checkpoint=tmp_path, **by_heart)
    assert_same_weights(whole, fit(*few, checkpoint=tmp_path, **by_heart))


@pytest.mark.parametrize(
    ("model", "changed", "said"),
    [
        ("collab_learner", {"lr": 0.5}, r"lr=0\.005 there, lr=0\.5 here"),
        ("als", {"seed": 1}, r"seed=42 there, seed=1 here"),
    ],
)
def test_a_checkpoint_of_other_settings_is_refused(
    few: Split, tmp_path: Path, model: str, changed: dict[str, Any], said: str
) -> None:
    options = {**SMALL, "epochs": 1, "checkpoint": tmp_path}
    fit(*few, model, **options)
    with pytest.raises(ValueError, match=rf"of another run: {said}\. .*delete the file"):
        fit(*few, model, **options, **changed)


def test_a_checkpoint_of_other_ratings_is_refused(few: Split, tmp_path: Path) -> None:
    train, valid = few
    options = {**SMALL, "epochs": 1, "checkpoint": tmp_path}
    fit(train, valid, **options)
    with pytest.raises(ValueError, match="other validation ratings"):
        fit(train, None, **options)
    stars = train.stars.copy()
    stars[0] = 6 - stars[0]
    other = Ratings(**{**vars(train), "stars": stars})
    with pytest.raises(ValueError, match="another run: other training ratings"):
        fit(other, valid, **options)


def test_sampling_goes_on_with_the_same_features_and_times_only(few: Split, tmp_path: Path) -> None:
    times = np.random.default_rng(0).integers(0, 10**6, len(few[0])) + 10**9
    dated = replace(few[0], timestamps=times)
    options = {
        **SMALL, "epochs": 2, "burn_in": 1, "dates": True, "checkpoint": tmp_path
    }  # fmt: skip
    fit(dated, None, "bayesian_mf", **options)
    catalogue = dated.catalogue.assign(genres="Comedy")
    for changed, name in [
        (replace(dated, catalogue=catalogue), "other features of users and items"),
        (replace(dated, timestamps=times[::-1]), "other times of the ratings"),
    ]:
        with pytest.raises(ValueError, match=name):
            fit(changed, None, "bayesian_mf", **options)


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_is_named(few: Split, tmp_path: Path, damage: bytes | None) -> None:
    options = {**SMALL, "epochs": 1, "checkpoint": tmp_path}
    fit(*few, **options)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    with pytest.raises(ModelFormatError, match=r"no checkpoint.*"):
        fit(*few, **options)


def test_nothing_but_the_checkpoint_is_left_in_its_folder(few: Split, tmp_path: Path) -> None:
    fit(*few, **SMALL, epochs=1, checkpoint=tmp_path / "new" / "folder")
    assert files_in(tmp_path / "new" / "folder") == [FILE]


def test_the_command_line_goes_on_and_clears_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    command = ["train", "--data", "sample", "--epochs", "3", "--n-factors", "5", "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        interrupt_after(2, patch)
        main([*command, "--resume"])
    assert files_in(out) == [FILE]
    assert main([*command, "--resume"]) == 0
    said = capsys.readouterr().out
    assert said.count("Epoch 2 of 3") == 1
    assert said.count("Epoch 3 of 3") == 1
    assert not (out / FILE).exists()
    plain = tmp_path / "plain"
    assert main([*command[:-1], str(plain)]) == 0
    assert_same_weights(Recommender.from_pretrained(out), Recommender.from_pretrained(plain))
    assert not (plain / FILE).exists()
