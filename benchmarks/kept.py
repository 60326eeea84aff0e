"""Measurements that are kept, so that a long run can be stopped and go on where it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd


def kept(folder: Path | None, name: str, measure: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The table of that name in a folder; measured and put there if there is none."""
    if folder is None:
        return measure()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    if not path.exists():
        measure().to_parquet(path, index=False)
    return pd.read_parquet(path)


def kept_lines(lines: Iterable[str], out: Path) -> None:
    """Print lines as they come, and write all of them to a file in the end."""
    found = []
    for line in lines:
        print(line, flush=True)
        found.append(line)
    out.parent.mkdir(exist_ok=True)
    out.write_text("\n".join(found) + "\n", "utf-8")
