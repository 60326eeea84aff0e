"""Mixes of `similar` with other likenesses, by whether the nearest film is of the same series.

The pairs are those of `neighbours.py`. They are halved by series, so that no film is in both
halves: a weight is chosen on the first half, by the mean recall@1 of both datasets, and holds on
the second half, or does not. What is added to the similarity, times the weight:

- the cosine of who rated what;
- weights of EASE, ridge 300, made symmetric, in units of the mean of a film's ten largest;
- ``exp(-years between / 5)``;
- genres and year once more, as `similar` compares them;
- `similar` of the rating model of `collab_learner`.

A film with m others in its series has one nearest film for m pairs, so that recall@1 cannot reach
1; the most that it can reach is given. Means over the seeds 0 to 2 of the ranking head::

    python benchmarks/neighbour_mixes.py --ml-100k ml-100k --ml-latest-small ml-latest-small
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from neighbours import (
    SEEDS,
    Likeness,
    Pairs,
    cosine,
    ease,
    of_model,
    series_pairs,
    who_rated_what,
    without_features,
)

import hf_cf
from hf_cf.training import ImplicitALSConfig, fit

WEIGHTS = (0.05, 0.1, 0.2, 0.4, 0.8)


@dataclass(frozen=True)
class Films:
    """Likenesses of the films that are asked about, (m, n_items) each, and the pairs.

    Attributes
    ----------
    pairs : Tensor of int64, shape (2, p)
        Rows of the likenesses, and codes of the other film.
    first : Tensor of bool, shape (p,)
        Pairs of the first half.
    own : list of Tensor
        `similar`, one a seed.
    others : dict of str to list of Tensor
        What may be added, one for all seeds or one a seed.
    """

    asked: torch.Tensor
    pairs: torch.Tensor
    first: torch.Tensor
    own: list[torch.Tensor]
    others: dict[str, list[torch.Tensor]]

    def recall(self, name: str | None, weight: float) -> torch.Tensor:
        """Recall@1 and recall@10 in the first half and in the second, shape (2, 2)."""
        found = []
        for at, own in enumerate(self.own):
            mixed = own.clone()
            if name is not None:
                others = self.others[name]
                mixed += weight * others[min(at, len(others) - 1)]
            mixed[:, 0] = -torch.inf
            mixed.scatter_(1, self.asked[:, None], -torch.inf)
            rows = mixed[self.pairs[0]]
            rank = (rows > rows.gather(1, self.pairs[1][:, None])).sum(1)
            found.append(torch.stack([rank < 1, rank < 10]).double())
        mean = torch.stack(found).mean(0)
        return torch.stack([mean[:, self.first].mean(1), mean[:, ~self.first].mean(1)])


def halves(pairs: Pairs) -> torch.Tensor:
    """Whether each pair is of the first half of the series."""
    series: dict[int, int] = {}
    for one, other in pairs:
        series[one] = min(series.get(one, one), one, other)
    names = sorted(set(series.values()))
    chosen = np.random.default_rng(0).permutation(len(names)) < len(names) // 2
    first = dict(zip(names, chosen.tolist(), strict=True))
    return torch.tensor([first[series[one]] for one, _ in pairs])


def films(path: Path, least: int) -> Films:
    table = hf_cf.load_ratings(path)
    pairs = series_pairs(table, least)
    asked, row = torch.tensor(pairs)[:, 0].unique(return_inverse=True)
    heads = [
        fit(table, model="als", ranking=ImplicitALSConfig(seed=seed), progress=False)
        for seed in SEEDS
    ]
    similarities = [rec.trained.similarity for rec in heads]
    alone = fit(table, model="collab_learner", ranking=None, progress=False)

    def rows(likeness: Likeness) -> torch.Tensor:
        return likeness(asked).double()

    own = [rows(of_model(one)) for one in similarities]
    weights = rows(ease(table))
    years = np.concatenate([[np.nan], table.catalogue["year"].to_numpy(float, na_value=np.nan)])
    years = torch.from_numpy(years)
    apart = (years[asked][:, None] - years).abs()
    others = {
        "cosine of who rated what": [rows(cosine(who_rated_what(table).T))],
        "weights of EASE": [weights / weights.topk(10, 1).values.mean()],
        "closeness of years": [(-apart / 5).exp().nan_to_num(0.0)],
        "genres and year once more": [
            one - rows(without_features(each)) for one, each in zip(own, similarities, strict=True)
        ],
        "`similar` of `collab_learner`": [rows(of_model(alone.trained.similarity))],
    }
    return Films(asked, torch.stack([row, torch.tensor(pairs)[:, 1]]), halves(pairs), own, others)


def report(sets: dict[str, Films]) -> Iterator[str]:
    yield "# Neighbours: mixes\n"
    yield (__doc__ or "").split("\n\n", 1)[1].rpartition("::")[0] + ".\n"
    for name, one in sets.items():
        most = [
            len(one.pairs[0][half].unique()) / int(half.sum()) for half in (one.first, ~one.first)
        ]
        yield (
            f"- {name}: {int(one.first.sum())} pairs in the first half, recall@1 at most "
            f"{most[0]:.3f}; {int((~one.first).sum())} in the second, at most {most[1]:.3f}"
        )
    titles = " | ".join(f"{name}, recall@1 | recall@10" for name in sets)
    yield f"\n| added | weight | {titles} |\n|---|---|{'---|---|' * len(sets)}"

    def line(label: str, weight: str, found: Callable[[Films], torch.Tensor]) -> str:
        cells = []
        for one in sets.values():
            first, second = found(one).tolist()
            cells += [f"{first[at]:.3f}, {second[at]:.3f}" for at in (0, 1)]
        return f"| {label} | {weight} | {' | '.join(cells)} |"

    yield line("nothing", "", lambda one: one.recall(None, 0))
    for name in next(iter(sets.values())).others:
        best = max(
            WEIGHTS,
            key=lambda weight, name=name: float(
                sum(one.recall(name, weight)[0, 0] for one in sets.values())
            ),
        )
        yield line(name, f"{best:g}", lambda one, n=name, w=best: one.recall(n, w))
    yield "\nEach cell: first half, second half."


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--ml-100k", type=Path, required=True)
    parser.add_argument("--ml-latest-small", type=Path, required=True)
    results = Path(__file__).parent / "results" / "neighbour_mixes.md"
    parser.add_argument("--out", type=Path, default=results)
    options = parser.parse_args()
    sets = {
        "MovieLens 100K": films(options.ml_100k, 20),
        "ml-latest-small": films(options.ml_latest_small, 15),
    }
    lines = list(report(sets))
    print("\n".join(lines))
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
