"""Threads: as many as help, and nobody else's number is touched."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import torch

import hf_cf
from hf_cf.models import threads
from hf_cf.models.threads import VARIABLE, in_parallel, limited_to, threads_for, usable_threads
from hf_cf.training import fit


@pytest.fixture
def sixteen() -> Iterator[None]:
    """PyTorch is told sixteen threads, more than a small machine has cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(16)
    yield
    torch.set_num_threads(before)


def told_to_a_new_thread() -> int:
    found = []
    new = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    new.start()
    new.join()
    return found[0]


@pytest.mark.usefixtures("sixteen")
def test_a_limit_holds_for_one_thread_alone_and_ends() -> None:
    with limited_to(1):
        assert torch.get_num_threads() == 1
        assert told_to_a_new_thread() == 16
        with limited_to(3):
            assert torch.get_num_threads() == 3
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == told_to_a_new_thread() == 16


@pytest.mark.usefixtures("sixteen")
def test_no_more_threads_are_taken_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(threads, "_cores", lambda: 4)
    assert usable_threads() == 4
    torch.set_num_threads(2)
    assert usable_threads() == 2


@pytest.mark.usefixtures("sixteen")
def test_the_environment_says_how_many_cores_to_count_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "3")
    assert usable_threads() == 3
    for wrong in ("0", "two", "-1", ""):
        monkeypatch.setenv(VARIABLE, wrong)
        with pytest.raises(ValueError, match=f"{VARIABLE}={wrong!r}; it must be an integer"):
            usable_threads()


@pytest.mark.usefixtures("sixteen")
def test_small_work_takes_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "4")
    assert threads_for(1000) == 1
    assert threads_for(2 * threads.A_SHARE) == 2
    assert threads_for(1e12) == 4


def test_tasks_are_done_once_each_by_workers_of_one_thread() -> None:
    done: list[int] = []
    workers: list[int] = []

    def worker() -> object:
        workers.append(torch.get_num_threads())
        return done.append

    in_parallel(worker, list(range(100)), 3)  # type: ignore[arg-type]
    assert sorted(done) == list(range(100))
    assert workers == [1, 1, 1]


def test_the_error_of_a_task_reaches_the_caller() -> None:
    def worker() -> object:
        return lambda task: 1 // task

    with pytest.raises(ZeroDivisionError):
        in_parallel(worker, [1, 2, 0, 3], 2)  # type: ignore[arg-type]


@pytest.mark.usefixtures("sixteen")
def test_two_threads_train_and_recommend_at_the_same_time_as_if_alone(
    sample: hf_cf.Ratings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "2")
    monkeypatch.setattr(threads, "A_SHARE", 1.0)  # so that workers start for little data, too
    train, valid = sample.split(seed=0)
    models = ["als", "bayesian_mf"]
    visitors = pd.DataFrame(
        {"user": [1, 1, 2], "item": sample.items.ids[[3, 5, 8]], "rating": [5.0, 2.0, 4.0]}
    )

    def answers(model: str) -> list[pd.DataFrame]:
        rec = fit(train, valid, model, epochs=4, progress=False)
        return [rec.recommend(train.users.ids[:20]), rec.recommend(ratings=visitors)]

    alone = {model: answers(model) for model in models}
    together: dict[int, list[pd.DataFrame]] = {}
    left: list[int] = []

    def work(number: int) -> None:
        together[number] = answers(models[number % 2])
        left.append(torch.get_num_threads())

    running = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for each in running:
        each.start()
    for each in running:
        each.join()
    assert sorted(together) == [0, 1, 2, 3]
    for number, tables in together.items():
        for own, expected in zip(tables, alone[models[number % 2]], strict=True):
            assert own["item"].tolist() == expected["item"].tolist()
            np.testing.assert_allclose(own["score"], expected["score"], rtol=1e-5, atol=1e-6)
    assert torch.get_num_threads() == told_to_a_new_thread() == 16
    assert left == [16] * 4
