"""Searching a million titles as people type them.

Run from the repository root::

    python benchmarks/title_search.py

The titles are synthetic: one to six words, drawn by Zipf's law from those of the sample and
100,000 made-up ones, with a year; the sample's own titles are among them. Prints Markdown and
writes it to ``benchmarks/results/title_search.md``.
"""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import numpy as np
import pandas as pd

import hf_cf
from hf_cf.data.title_search import TitleIndex

RESULT = Path(__file__).parent / "results" / "title_search.md"
TITLES, WORDS, TURNS = 1_000_000, 100_000, 30
SYLLABLES = ("ka", "lo", "mi", "ren", "tor", "vas", "el", "ni", "qu", "sha", "ber", "dan")
TYPED = {
    "a title": "toy story",
    "misspelt": "godfater",
    "in part": "silence of the la",
    "two letters": "st",
    "one common word": "the",
    "initials": "lotr",
    "a series and a number": "lord of the rings 3",
    "a year": "1994",
    "not there": "qwzx kjhgv",
}


def draw_titles(n: int) -> tuple[list[str], np.ndarray]:
    """Titles, and how often each was rated."""
    chance = np.random.default_rng(0)
    own = hf_cf.load_ratings("sample").catalogue["title"].tolist()
    words = sorted({word for title in own for word in title.rsplit(" (", 1)[0].split()})
    made_up = ("".join(chance.choice(SYLLABLES, 3)).capitalize() for _ in range(WORDS))
    words += made_up
    weights = 1 / np.arange(1, len(words) + 1) ** 0.8
    lengths = chance.integers(1, 7, n)
    drawn = chance.choice(len(words), int(lengths.sum()), p=weights / weights.sum())
    ends = lengths.cumsum()
    years = chance.integers(1920, 2020, n)
    titles = [
        f"{' '.join(words[word] for word in drawn[end - length : end])} ({year})"
        for end, length, year in zip(ends, lengths, years, strict=True)
    ]
    titles[: len(own)] = own
    return titles, (chance.pareto(1, n) * 3).astype(np.int64)


def main() -> None:
    """Make the tables, search, and write the times down."""
    lines = ["| typed | p50 ms | p95 ms |", "|---|---|---|"]
    titles, counts = draw_titles(TITLES)
    index = TitleIndex(pd.Series(titles, index=range(1, TITLES + 1)), counts)
    started = time.perf_counter()
    index.nearest("a", 1)
    made = time.perf_counter() - started
    for name, typed in TYPED.items():
        took = []
        for _ in range(TURNS):
            started = time.perf_counter()
            index.nearest(typed, 8)
            took.append(1000 * (time.perf_counter() - started))
        p50, p95 = np.percentile(took, [50, 95])
        lines.append(f"| {name}: `{typed}` | {p50:.1f} | {p95:.1f} |")
    text = (
        "# Searching a million titles\n\nSynthetic titles, see `benchmarks/title_search.py`; "
        f"{TURNS} searches each. What is made once takes {made:.1f} s.\n\n"
        + "\n".join(lines)
        + f"\n\nPython {platform.python_version()}, hf_cf {hf_cf.__version__}; "
        f"{os.cpu_count()} cores, {platform.machine()}; load average {os.getloadavg()[0]:.1f}.\n"
    )
    print(text)
    RESULT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
