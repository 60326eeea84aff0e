"""Which of several processes this is, where a launcher such as Accelerate's has started them."""

from __future__ import annotations

import os
from typing import NamedTuple


class Processes(NamedTuple):
    """Processes that train together.

    Attributes
    ----------
    rank : int
        Which of them this is, from 0, the main one.
    size : int
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the one that reports, writes and publishes."""
        return self.rank == 0


def processes() -> Processes:
    """Say what the launcher has told this process: a single one where there was none."""
    size = int(os.environ.get("WORLD_SIZE") or 1)
    return Processes(int(os.environ.get("RANK") or 0), size) if size > 1 else Processes()
