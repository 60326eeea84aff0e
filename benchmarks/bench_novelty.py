"""What ``novelty`` and ``diversity`` do to recommendations, once and over ten rounds of feedback.

Run from the repository root; the real data is found at ``../shared/data`` or with ``--data``::

    python benchmarks/bench_novelty.py

Prints Markdown, writes it to ``benchmarks/results/novelty.md``, and draws
``docs/images/feedback_loop.png``.

The table: MovieLens 100K, a random 20% held out, mean over split seeds 0 to 4, lists of ten.

The simulation: users of MovieLens 100K follow what they are shown. In each of ten rounds everyone
is recommended ten films, watches the first three, and rates them as an explicit ALS model of *all*
ratings says, plus noise of 0.9 stars; then the ranking head is trained again with those ratings
included. The answers are therefore a model's, not people's.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

import hf_cf
from hf_cf.data.history import History
from hf_cf.evaluation import metrics
from hf_cf.training import fit

ROOT = Path(__file__).parent
SHARES = (0.0, 0.25, 0.5, 1.0)
ARMS = {
    "as scored": {},
    "novelty 0.5": {"novelty": 0.5},
    "novelty 0.5, diversity 0.25": {"novelty": 0.5, "diversity": 0.25},
}
ROUNDS, SHOWN, WATCHED, NOISE = 10, 10, 3, 0.9
COLOURS = ("#d9480f", "#1971c2", "#2b8a3e")


def table(ratings: hf_cf.Ratings) -> str:
    choices = [("novelty", share) for share in SHARES]
    choices += [("diversity", share) for share in SHARES[1:]]
    found: dict[int, list[tuple[float, ...]]] = {row: [] for row in range(len(choices))}
    for seed in range(5):
        train, valid = ratings.split(0.2, seed)
        rec = fit(train, valid, "als", progress=False)
        liked = History.from_ratings(valid.take(valid.stars >= 4))
        users = np.flatnonzero(np.diff(liked.starts)).astype(np.int32)
        relevant = liked.take(users)
        everyone = np.flatnonzero(train.user_counts()).astype(np.int32)
        for row, (name, share) in enumerate(choices):
            top = lists(rec, users, **{name: share})
            hits = metrics.find_hits(top, relevant)
            shown = lists(rec, everyone, **{name: share})
            found[row].append(
                (
                    float(metrics.ndcg(hits, np.diff(relevant.starts)).mean()),
                    metrics.coverage(shown, len(ratings.items)),
                    metrics.gini(shown, len(ratings.items)),
                    metrics.median_popularity(shown, train.item_counts()),
                    float(_likeness(rec, shown)),
                )
            )
    lines = [
        "| | nDCG@10 | catalogue coverage | Gini of exposure | median ratings of what is shown "
        "| likeness within a list |",
        "|---|---|---|---|---|---|",
    ]
    for row, (name, share) in enumerate(choices):
        ndcg, cover, gini, popularity, like = np.mean(found[row], 0)
        label = "as scored" if share == 0 else f"{name} {share:g}"
        lines.append(
            f"| {label} | {ndcg:.3f} | {cover:.1%} | {gini:.3f} | {popularity:.0f} | {like:.2f} |"
        )
    return "\n".join(lines) + "\n"


def lists(rec: hf_cf.Recommender, users: np.ndarray, **choice: float) -> np.ndarray:
    """Item codes recommended to user codes in ascending order, shape (B, SHOWN)."""
    table = rec.recommend(rec.users.decode(users), n=SHOWN, **choice)
    return rec.items.encode(table["item"]).reshape(len(users), SHOWN)


def _likeness(rec: hf_cf.Recommender, shown: np.ndarray) -> float:
    """Mean cosine of the vectors of two films of the same list."""
    vectors = rec.trained.similarity.vectors(torch.arange(len(rec.items)))
    lists = torch.nn.functional.normalize(vectors, dim=1)[torch.from_numpy(shown).long()]
    cosines = lists @ lists.transpose(1, 2)
    k = shown.shape[1]
    return statistics.mean(((cosines.sum((1, 2)) - k) / (k * (k - 1))).tolist())


def simulate(ratings: hf_cf.Ratings, choice: dict[str, float]) -> list[tuple[float, float, float]]:
    """Gini of exposure, share of the catalogue shown, and mean true stars watched, by round."""
    truth = fit(ratings, None, "als", progress=False, ranking=None)
    rng = np.random.default_rng(0)
    users = np.arange(1, len(ratings.users), dtype=np.int32)
    seen, course = ratings, []
    for _ in range(ROUNDS):
        rec = fit(seen, None, "als", epochs=1, progress=False)
        top = lists(rec, users, **choice)
        watched = top[:, :WATCHED].ravel()
        viewers = np.repeat(users, WATCHED)[watched > 0]
        watched = watched[watched > 0]
        taste = truth.predict(ratings.users.decode(viewers), ratings.items.decode(watched))
        stars = np.clip(np.rint(taste + rng.normal(0, NOISE, len(taste))), 1, 5)
        course.append(
            (
                metrics.gini(top, len(ratings.items)),
                metrics.coverage(top, len(ratings.items)),
                float(taste.mean()),
            )
        )
        seen = replace(
            seen,
            user_codes=np.concatenate([seen.user_codes, viewers]),
            item_codes=np.concatenate([seen.item_codes, watched]),
            stars=np.concatenate([seen.stars, stars.astype(np.float32)]),
            timestamps=None,
        )
    return course


def draw(courses: dict[str, list[tuple[float, float, float]]], path: Path) -> None:
    figure = Figure(figsize=(11, 3.8), layout="constrained", dpi=144)
    panels = figure.subplots(1, 3)
    titles = (
        "Gini of exposure",
        "share of the catalogue shown",
        "predicted stars of films watched",
    )
    rounds = range(1, ROUNDS + 1)
    for column, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        for colour, (name, course) in zip(COLOURS, courses.items(), strict=True):
            axes.plot(rounds, [row[column] for row in course], color=colour, lw=2, label=name)
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
        axes.set_xlabel("round of feedback")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e9ecef")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ml-100k"))
    ratings = hf_cf.load_ratings(parser.parse_args().data)
    report = "# Novelty and diversity\n\nMovieLens 100K, mean over five splits:\n\n"
    report += table(ratings)
    courses = {name: simulate(ratings, choice) for name, choice in ARMS.items()}
    draw(courses, ROOT.parent / "docs" / "images" / "feedback_loop.png")
    report += (
        "\nTen rounds in which users follow the recommendations (a simulation; first to last "
        "round):\n\n| | Gini of exposure | catalogue shown | true stars of films watched |\n"
        "|---|---|---|---|\n"
    )
    for name, course in courses.items():
        (g0, c0, s0), (g1, c1, s1) = course[0], course[-1]
        report += (
            f"| {name} | {g0:.3f} to {g1:.3f} | {c0:.1%} to {c1:.1%} | {s0:.2f} to {s1:.2f} |\n"
        )
    report += (
        f"\nPython {platform.python_version()}, torch {torch.__version__}, numpy "
        f"{np.__version__}, hf_cf {hf_cf.__version__}; {os.cpu_count()} cores.\n"
    )
    print(report)
    (ROOT / "results" / "novelty.md").write_text(report)


if __name__ == "__main__":
    main()
