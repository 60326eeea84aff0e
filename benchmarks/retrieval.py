"""Recommending from a million items: with the index, and by scoring them all.

Run from the repository root::

    python benchmarks/retrieval.py

The items are synthetic, 64 factors each. Their directions are drawn around centres of uneven size,
500 items each on average, with a spectrum that falls as it does in the ranking head of
ml-latest-small; their lengths are log-normal as they are there, where they follow popularity. The
spread within lists comes out as there, too. People are visitors with 40 ratings of items near a few
centres, and 20 more from all over, who go through `recommend` as everybody does.

Every figure is of `recommend`, from ratings or a user's id to the DataFrame, on one thread, exact
and with the index, alternating in blocks of 20. Recall is against the exact answer, of people that
the index was not made for. Prints Markdown and writes it to ``benchmarks/results/retrieval.md``.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import normalize

import hf_cf
from hf_cf.data.history import History
from hf_cf.data.scale import RatingScale
from hf_cf.data.vocab import Vocab
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.models import EmbeddingDotBias, ImplicitALS, UserPrior

RESULT = Path(__file__).parent / "results" / "retrieval.md"
ITEMS, FACTORS, PER_CENTRE = 1_000_000, 64, 500
WITHIN, LENGTH, SPREAD = 0.8, 0.25, 1.0  # around a centre; median length, deviation of its log
KNOWN, ASKED, TURN = 1_000, 100, 20
GENRES = ("Common", "Usual", "Rare")  # of a tenth, of a half, and of one in two hundred items


def draw_items(n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Item vectors, (n, k), and the centre that each is near, (n,)."""
    spectrum = (1 + torch.arange(FACTORS)).float().pow(-0.4)
    centres = torch.randn(n // PER_CENTRE, FACTORS, generator=generator) * spectrum
    centres[:, 0] += 1.0  # what everybody watches
    sizes = torch.rand(n // PER_CENTRE, generator=generator).pow(3) + 0.01
    near = torch.multinomial(sizes, n, replacement=True, generator=generator)
    vectors = torch.randn(n, FACTORS, generator=generator) * (spectrum / spectrum.norm())
    vectors = normalize(vectors.mul_(WITHIN).add_(normalize(centres, dim=1)[near]), dim=1)
    lengths = LENGTH * torch.exp(SPREAD * torch.randn(n, generator=generator))
    return vectors.mul_(lengths.clamp_max(1.6)[:, None]), near


def draw_people(
    vectors: torch.Tensor, near: torch.Tensor, n: int, rng: np.random.Generator
) -> list[dict[int, float]]:
    """Ratings of n people, by item id: what is well known, of a few centres."""
    chance = vectors.square().sum(1).double().numpy()
    order = np.argsort(near.numpy(), kind="stable")
    n_centres = len(vectors) // PER_CENTRE
    starts = np.searchsorted(near.numpy()[order], np.arange(n_centres + 1))
    running = np.cumsum(chance)
    people = []
    for _ in range(n):
        centres = rng.choice(n_centres, rng.integers(1, 8), replace=False)
        rows = np.concatenate([order[starts[c] : starts[c + 1]] for c in centres])
        share = chance[rows] / chance[rows].sum()
        own = rng.choice(rows, min(40, len(rows) // 2), replace=False, p=share)
        known = np.searchsorted(running, rng.random(20) * running[-1])
        codes = np.unique(np.concatenate([own, known]).clip(max=len(vectors) - 1)) + 1
        people.append({int(code): float(rng.integers(6, 11) / 2) for code in codes})
    return people


def build(n_items: int) -> tuple[hf_cf.Recommender, list[dict[int, float]]]:
    """A model of so many items, whose known users are people, and others whom it does not know."""
    generator, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
    vectors, near = draw_items(n_items, generator)
    people = draw_people(vectors, near, KNOWN + ASKED, rng)
    ranking = ImplicitALS(
        n_items + 1, factors=FACTORS, preference=(-0.5, -0.5, 0.4, 0.8, 1.0),
        weight=(0.1, 0.1, 0.6, 0.9, 1.0), unobserved=0.2, regularization=0.03, exponent=1.0,
    )  # fmt: skip
    ranking.set_items(torch.cat([torch.zeros(1, FACTORS), vectors]))
    # The lengths were not trained together with people; this is how much they press on them.
    ranking.gram.mul_(5_000 / n_items)
    ids = np.arange(1, n_items + 1)
    genres = np.where(rng.random(n_items) < 0.1, "Common|Usual", "Usual").astype(object)
    genres[rng.random(n_items) < 0.5] = "Other"
    genres[rng.random(n_items) < 0.005] = "Rare"
    catalogue = pd.DataFrame(
        {
            "id": ids,
            "title": [f"Item {i}" for i in ids],
            "year": pd.array(rng.integers(1920, 2024, n_items), dtype="Int64"),
            "genres": genres,
            "n_ratings": (1e4 * vectors.norm(dim=1).square()).long().numpy(),
        },
        index=pd.RangeIndex(1, n_items + 1),
    )
    users = np.repeat(np.arange(1, KNOWN + 1, dtype=np.int32), [len(p) for p in people[:KNOWN]])
    items = np.array([item for own in people[:KNOWN] for item in own], np.int32)
    stars = np.array([star for own in people[:KNOWN] for star in own.values()], np.float32)
    history = History.from_codes(users, items, stars, KNOWN + 1)
    known = ranking.user_vectors(*map(torch.from_numpy, (history.starts, history.items, stars)))
    model = EmbeddingDotBias(KNOWN + 1, n_items + 1, FACTORS, (0.0, 5.5))
    rec = hf_cf.Recommender(
        model,
        UserPrior.from_vectors(model.user_vectors(torch.arange(1, KNOWN + 1)), 0.8),
        RankingHead(ranking.eval(), known),
        users=Vocab(np.arange(1, KNOWN + 1)), items=Vocab(ids), catalogue=catalogue,
        history=history, scale=RatingScale(0.5, 5, 0.5),
    )  # fmt: skip
    return rec, people[KNOWN:]


def compare(
    rec: hf_cf.Recommender, asked: list[dict[str, Any]], n: int, **filters: Any
) -> tuple[np.ndarray, np.ndarray, float]:
    """Milliseconds of the exact answers and of those by the index, and recall of the latter."""
    answers: dict[bool, list[set[Any]]] = {False: [], True: []}
    times: dict[bool, list[float]] = {False: [], True: []}
    # By turns of many: an exact answer reads all memory there is, and leaves the caches cold.
    for start in range(0, len(asked), TURN):
        for approximate in (False, True):
            for who in asked[start : start + TURN]:
                started = time.perf_counter()
                table = rec.recommend(**who, n=n, approximate=approximate, **filters)
                times[approximate].append((time.perf_counter() - started) * 1000)
                answers[approximate].append(set(table["item"]))
    pairs = list(zip(answers[False], answers[True], strict=True))
    assert all(len(right) == len(ours) for right, ours in pairs)
    recall = float(np.mean([len(right & ours) / len(right) for right, ours in pairs]))
    return np.array(times[False]), np.array(times[True]), recall


def row(name: str, exact: np.ndarray, quick: np.ndarray, recall: float) -> str:
    figures = [*np.percentile(exact, (50, 95)), *np.percentile(quick, (50, 95))]
    cells = " | ".join(f"{figure:.1f}" for figure in figures)
    line = f"| {name} | {cells} | {np.median(exact) / np.median(quick):.1f} | {recall:.4f} |"
    print(line, flush=True)
    return line


HEADER = (
    "| | exact p50 ms | p95 | index p50 ms | p95 | times as fast | recall |\n"
    "|---|---|---|---|---|---|---|"
)


def requests(rec: hf_cf.Recommender, visitors: list[dict[int, float]]) -> list[str]:
    known = [{"user": user} for user in range(1, len(visitors) + 1)]
    new = [{"ratings": ratings} for ratings in visitors]
    few = [{"ratings": dict(list(ratings.items())[:3])} for ratings in visitors]
    cases: list[tuple[str, list[dict[str, Any]], int, dict[str, Any]]] = [
        ("a visitor with 60 ratings, n=10", new, 10, {}),
        ("the same, n=100", new, 100, {}),
        ("a visitor with 3 ratings, n=100", few, 100, {}),
        ("a known user, n=10", known, 10, {}),
        ("a known user, n=100", known, 100, {}),
        ("a genre of half of the items, n=100", new, 100, {"genres": ["Usual"]}),
        ("a genre of 5 % of the items, n=100", new, 100, {"genres": ["Common"]}),
        ("a genre of 0.5 % of the items, n=100", new, 100, {"genres": ["Rare"]}),
        ("ten years of a hundred, n=100", new, 100, {"years": (1990, 1999)}),
        ("diversity 0.3, n=10", new, 10, {"diversity": 0.3}),
    ]
    return [row(name, *compare(rec, who, n, **filters)) for name, who, n, filters in cases]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def main() -> None:
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    sizes = [HEADER]
    for n_items in (60_000, 125_000, 250_000, 500_000):
        rec, visitors = build(n_items)
        rec.build_index(progress=False)
        who = [{"user": user} for user in range(1, 41)]
        sizes.append(row(f"{n_items:,} items", *compare(rec, who, 10)))
    rec, visitors = build(ITEMS)
    _, seconds = timed(lambda: rec.build_index(progress=False))
    index = rec.ranking.index
    spread = float((1 - index.centres.square().sum(1)).clamp_min(0).sqrt().mean())
    told = (
        f"{len(index.centres):,} lists, made in {seconds:.0f} s; margin {index.margin:.3f}, spread "
        f"within lists {spread:.2f}."
    )
    print(told, flush=True)
    answers = [HEADER, *requests(rec, visitors)]
    who = [{"user": user} for user in range(1, 41)]
    sizes.append(row(f"{ITEMS:,} items", *compare(rec, who, 10)))
    with tempfile.TemporaryDirectory() as folder:
        rec.save_pretrained(folder, include_history=True)
        again, loading = timed(lambda: hf_cf.Recommender.from_pretrained(folder))
        same = again.recommend(1, n=100).equals(rec.recommend(1, n=100))
    assert same
    told += f" Loading the folder takes {loading:.1f} s; the answers are the same."
    report = (
        f"# Recommending from a million items\n\nSynthetic items and people, see "
        f"`benchmarks/retrieval.py`. {told}\n\n" + "\n".join(answers)
        + "\n\nBy the size of the catalogue, a known user, n=10:\n\n" + "\n".join(sizes)
        + f"\n\nPython {platform.python_version()}, torch {torch.__version__}, hf_cf "
        f"{hf_cf.__version__}; one thread on {os.cpu_count()} cores, {platform.machine()}; load "
        f"average {load:.1f} at the start.\n"
    )  # fmt: skip
    print(report)
    RESULT.write_text(report)


if __name__ == "__main__":
    main()
