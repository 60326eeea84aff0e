"""Where films stand in people's lists when the text of the catalogue counts as well.

The ranking head is trained with the columns of the catalogue (genres, year), and with text in
addition, embedded by a static model and reduced by `fit(text=, text_model=)`. Films are told apart
by their number of training ratings; the measure is that of `new_items.py`: a film that somebody is
to give four stars or more stands above most of what that person has not seen. Then a tenth of the
films is new, and `Recommender.add_items` places them by genres and year, or with text as well.

The static model is the one that the package ``wordllama`` (0.4.0) ships: 256 numbers for each of
32,000 tokens, from token vectors of large language models. ``pip install wordllama model2vec``.
MovieLens 100K has titles alone. ml-latest-small has tags: joined by film they stand in for a
description. People who rated gave them, so that a film with tags has been seen by somebody.
Seeds 100 to 102 were used to choose the number of axes, the seeds 0 to 4 to report::

    python benchmarks/text_features.py data/ml-100k data/ml-latest-small
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import warnings
from collections import defaultdict
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from model2vec import StaticModel
from new_items import COLUMNS, EDGES, GROUPS, found
from safetensors.numpy import load_file
from tokenizers import Tokenizer

import hf_cf
from hf_cf import Ratings, Recommender, Vocab
from hf_cf.training import fit


def write_static_model(folder: Path) -> Path:
    """Write the static model of the package wordllama as model2vec reads it."""
    spec = find_spec("wordllama")
    assert spec is not None and spec.origin is not None, "pip install wordllama"
    package = Path(spec.origin).parent
    (vectors,) = load_file(package / "weights" / "l2_supercat_256.safetensors").values()
    tokenizer = Tokenizer.from_file(
        str(package / "tokenizers" / "l2_supercat_tokenizer_config.json")
    )
    StaticModel(vectors.astype(np.float32), tokenizer, normalize=True).save_pretrained(folder)
    return folder


def with_tags(whole: Ratings, folder: Path) -> Ratings:
    """The ratings with a column ``tags`` in the catalogue, text, where the folder has tags."""
    if not (folder / "tags.csv").exists():
        return whole
    tags = pd.read_csv(folder / "tags.csv").groupby("movieId")["tag"]
    joined = tags.apply(lambda given: " ".join(map(str, given)))
    return replace(whole, catalogue=whole.catalogue.assign(tags=whole.catalogue["id"].map(joined)))


def trained(ratings: Ratings, text: dict[str, Any]) -> Recommender:
    """Train a recommender of which only the ranking head matters."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # no draws, no stars
        return fit(ratings, None, "bayesian_mf", epochs=1, burn_in=1, progress=False, **text)


def by_popularity(whole: Ratings, texts: dict[str, Any], seed: int) -> dict[str, list[float]]:
    """Share of unseen films below a loved one by its number of training ratings, and nDCG@10."""
    train, test = whole.split(0.2, seed=seed)
    groups = np.digitize(train.item_counts()[1:], EDGES)
    results = {}
    for name, text in texts.items():
        below, ndcg, _ = found(trained(train, text), train, test, groups)
        results[name] = [*below.tolist(), ndcg]
    return results


def added(whole: Ratings, texts: dict[str, Any], seed: int) -> dict[str, list[float]]:
    """Results for a tenth of the films, all of whose training ratings are taken away."""
    train, test = whole.split(0.2, seed=seed)
    n = len(whole.items) - 1
    new = np.zeros(n, bool)
    new[np.random.default_rng(seed).permutation(n)[: n // 10]] = True
    kept = ~new[train.item_codes - 1]
    old = train.take(kept).recode(whole.users, Vocab(whole.items.ids[~new].tolist()))
    results = {}
    for name, text in texts.items():
        rec = trained(old, text).add_items(whole.catalogue[new])
        below, ndcg, shown = found(rec, train, test, new.astype(np.int64))
        results[name] = [float(below[1]), ndcg, float(shown[1])]
    return results


def main() -> None:
    """Measure and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="+", help="folders of datasets")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/text_features.md"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    arguments = parser.parse_args()
    report = ["# Text of the catalogue as features", "", __doc__.split("::")[0] + ".", ""]
    with tempfile.TemporaryDirectory() as temporary:
        model = write_static_model(Path(temporary))
        for folder in arguments.data:
            whole = with_tags(hf_cf.load_ratings(folder), folder)
            texts: dict[str, Any] = {"genres and year": {}}
            texts["and titles"] = {"text": ["title"], "text_model": model}
            if "tags" in whole.catalogue:
                texts["and titles and tags"] = {"text": ["title", "tags"], "text_model": model}
            report += [f"## {whole.source.name}", ""]
            for measure, heads in (
                (by_popularity, [GROUPS, "|---|---|---|---|---|---|---|"]),
                (added, [COLUMNS.replace("given", "features").replace("| new films ", ""),
                         "|---|---|---|---|"]),
            ):  # fmt: skip
                results = defaultdict(list)
                for seed in arguments.seeds:
                    for name, values in measure(whole, texts, seed).items():
                        results[name].append(values)
                report += heads
                for name, rows in results.items():
                    means = np.nanmean(rows, 0)
                    shown = [
                        f"{mean:.4f}" if at == (5 if measure is by_popularity else 1)
                        else f"{mean:.1%}"
                        for at, mean in enumerate(means)
                    ]  # fmt: skip
                    report.append(f"| {name} | {' | '.join(shown)} |")
                    print(report[-1], flush=True)
                report.append("")
    report.append(
        f"Means of seeds {', '.join(map(str, arguments.seeds))}. {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, torch {version('torch')}, "
        f"model2vec {version('model2vec')}, {torch.get_num_threads()} threads."
    )
    arguments.out.write_text("\n".join(report) + "\n", "utf-8")


if __name__ == "__main__":
    main()
