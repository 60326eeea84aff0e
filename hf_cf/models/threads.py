"""How many threads a computation takes, without a change to anybody else's.

`torch.set_num_threads` sets two things: how many threads the calling thread's operations take, and
the number that every later thread of the process begins with. What is said here is said to OpenMP
and MKL, which do the computing, for the calling thread alone: ``omp_set_num_threads`` (OpenMP 5.2,
section 18.2.1) and ``mkl_set_num_threads_local``. So two computations in one process cannot get
into each other's way, and nothing is left changed.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch

VARIABLE = "HF_CF_THREADS"
"""Environment variable for the most threads that hf_cf takes."""

A_SHARE = 2.0**25
"""Multiplications for which a thread is worth starting: a millisecond or two of one core."""

_MOST_WORKERS = 4  # Python threads side by side; more wait for the interpreter's lock
_LIBRARIES = {"darwin": "libtorch_cpu.dylib", "win32": "torch_cpu.dll"}

Task = TypeVar("Task")


def usable_threads() -> int:
    """Threads for a large computation: those that PyTorch has been told, but no more than cores.

    More threads than cores wait for each other: a matrix product takes thirty times as long. The
    cores are those that the process may use, or what the environment variable `VARIABLE` says.
    """
    return min(torch.get_num_threads(), _from_environment() or _cores())


def threads_for(work: float) -> int:
    """Threads for a computation of so many multiplications: each has `A_SHARE` at least."""
    return max(1, min(usable_threads(), int(work / A_SHARE)))


@contextmanager
def limited_to(n: int) -> Iterator[None]:
    """Let the operations of the calling thread take n threads, and no other thread's."""
    before = torch.get_num_threads()  # a new thread takes over the process's number here
    if before == n:
        yield
        return
    set_openmp, set_mkl = _setters()
    set_openmp(n)
    mkl = set_mkl(n)
    try:
        yield
    finally:
        set_openmp(before)
        set_mkl(mkl)


@contextmanager
def on_usable_threads() -> Iterator[None]:
    """Let the operations of the calling thread take `usable_threads`."""
    with limited_to(usable_threads()):
        yield


def in_parallel(
    worker: Callable[[], Callable[[Task], None]], tasks: list[Task], n_workers: int
) -> None:
    """Do tasks side by side in Python threads, each on one core; they begin in their order.

    PyTorch spreads a product over the cores, but factors one matrix after another on one; with a
    task a core all of it is spread.

    Parameters
    ----------
    worker : callable
        Called once in each thread; what it returns does a task.
    tasks : list
        Whatever the worker takes.
    n_workers : int
        Threads; with one the calling thread does all, and a single task takes all itself.
    """
    left = iter(tasks)  # a list's iterator hands each task to one thread
    inference = torch.is_inference_mode_enabled()  # a new thread starts without this mode

    def one_after_another(n_threads: int = 1) -> None:
        with limited_to(n_threads), torch.inference_mode(inference), torch.no_grad():
            work = worker()
            for task in left:
                work(task)

    if n_workers == 1 or len(tasks) < 2:
        one_after_another(n_workers)
        return
    n_workers = min(n_workers, len(tasks), _MOST_WORKERS)
    with ThreadPoolExecutor(n_workers) as pool:
        for done in [pool.submit(one_after_another) for _ in range(n_workers)]:
            done.result()


def _from_environment() -> int | None:
    text = os.environ.get(VARIABLE)
    if text is None:
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(f"{VARIABLE}={text!r}; it must be an integer above 0")
    return int(text)


@cache
def _cores() -> int:
    """Cores that the process may use: its affinity, and the quota of a container (cgroup 2)."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("utf-8").split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError):  # there is no such file, or the quota is "max"
        return cores


@cache
def _setters() -> tuple[Callable[[int], Any], Callable[[int], int]]:
    """OpenMP's and MKL's setters for the calling thread, as PyTorch's own library finds them.

    They do nothing where PyTorch is built with neither.
    """
    path = Path(torch.__file__).parent / "lib" / _LIBRARIES.get(sys.platform, "libtorch_cpu.so")
    try:
        library: Any = ctypes.CDLL(str(path))
    except OSError:
        library = None
    return (
        getattr(library, "omp_set_num_threads", lambda n: None),
        getattr(library, "MKL_Set_Num_Threads_Local", lambda n: 0),
    )
