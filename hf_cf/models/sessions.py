"""How somebody rates in one session: stars that are added for a user and a window of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hf_cf.data.times import Timestamps

LAST_SECOND = 2**36
"""Times are below it, in seconds since 1970: the year 4147."""


class Sessions(nn.Module):
    """Effects of every user's sessions, on a fixed grid of windows, at several lengths.

    Window w of a length of L seconds goes from ``w L`` to just before ``(w + 1) L``. The effects
    of the windows that a time falls into add up; that of a window without ratings is 0.

    Parameters
    ----------
    windows : sequence of int
        Lengths of the windows in seconds, at least 16.
    counts : sequence of int
        How many sessions with ratings there are of each length.

    Attributes
    ----------
    keys_0, keys_1, ... : Tensor of int64
        Of each length the sessions as `session_keys` names them, ascending.
    effects_0, effects_1, ... : Tensor, shape (n, 2)
        Stars: the posterior mean, and the last sample, from which sampling can go on.
    variances : Tensor, shape (n_lengths,)
        Of the effects of each length, in squared stars: what is not known of an unknown time.
    """

    variances: Tensor

    def __init__(self, windows: Sequence[int], counts: Sequence[int]) -> None:
        super().__init__()
        if len(windows) != len(counts):
            raise ValueError(f"{len(windows)} windows and {len(counts)} counts of sessions")
        self.windows = tuple(windows)
        self.register_buffer("variances", torch.zeros(len(windows)))
        for level, count in enumerate(counts):
            self.register_buffer(f"keys_{level}", torch.zeros(count, dtype=torch.int64))
            self.register_buffer(f"effects_{level}", torch.zeros(count, 2))

    def level(self, level: int) -> tuple[Tensor, Tensor]:
        """Keys and effects of one length."""
        return self.get_buffer(f"keys_{level}"), self.get_buffer(f"effects_{level}")

    def forward(self, users: Tensor, times: Tensor) -> Tensor:
        """Stars that are added for users, (B,), at times in seconds, int64, (B,)."""
        total = torch.zeros(len(users), device=users.device)
        for level, window in enumerate(self.windows):
            keys, effects = self.level(level)
            if len(keys):
                wanted = session_keys(users, times, window)
                at = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
                total += torch.where(keys[at] == wanted, effects[at, 0], 0.0)
        return total


def session_keys(users: Tensor, times: Tensor, window: int) -> Tensor:
    """One number for a user and a window: the user's code times 2^32, plus the window's number."""
    return (users.long() << 32) + times // window


def checked_times(when: Any, n: int | None = None) -> Timestamps:
    """Times as whole seconds, (n,), of one time for all or one for each.

    Raises
    ------
    ValueError
        They are no numbers of seconds since 1970, or as many as something else.
    """
    times = np.asarray(when)
    if times.dtype.kind not in "iuf":
        raise ValueError(f"times are of type {times.dtype}; give numbers, seconds since 1970")
    bad = ~((times >= 0) & (times < LAST_SECOND))
    if bad.any():
        raise ValueError(
            f"{times[bad].flat[0]} is not a time; give seconds since 1970, below {LAST_SECOND:,}"
        )
    if n is not None and times.shape not in ((), (1,), (n,)):
        raise ValueError(f"{times.size:,} times for {n:,} ratings: give one time, or one for each")
    return np.broadcast_to(times.astype(np.int64), times.shape if n is None else (n,)).copy()
