"""Likes and plays next to the libraries for them: nDCG@10 on Last.fm's plays, five seeds.

    python benchmarks/implicit_feedback.py ../shared/data/lastfm/user_artists.dat

A random fifth of each user's artists is held out, and all unheard artists are ranked. implicit's
ALS, on raw counts and weighted by BM25, EASE and the most popular are the peers; each system's
settings are the best of its grid on a validation part of the training ratings. Visitors: a fifth of
the people are held out whole; half of their artists are given, the other half is to be found. They
are compared with the same people in a model that was trained with what they give. Writes
benchmarks/results/implicit_feedback.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import implicit
import numpy as np
import scipy.sparse as sp
from implicit.nearest_neighbours import bm25_weight
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

import hf_cf
from hf_cf.data.history import History
from hf_cf.evaluation.metrics import find_hits, ndcg
from hf_cf.inference.answers import recommend
from hf_cf.inference.users import KnownUsers, Visitors
from hf_cf.training import fit

RESULT = Path(__file__).parent / "results" / "implicit_feedback.md"
SEEDS, K, VALIDATION = range(5), 10, 1000

Score = Callable[[np.ndarray], np.ndarray]


def held_out(ratings: hf_cf.Ratings, seed: int, share: float = 0.2) -> np.ndarray:
    """A mask of a random share of each user's interactions, rounded down."""
    shuffled = np.random.default_rng(seed).permutation(len(ratings))
    order = shuffled[np.argsort(ratings.user_codes[shuffled], kind="stable")]
    counts = ratings.user_counts()
    place = np.arange(len(order)) - (np.cumsum(counts) - counts)[ratings.user_codes[order]]
    mask = np.zeros(len(ratings), bool)
    mask[order] = place < np.floor(share * counts[ratings.user_codes[order]])
    return mask


def matrix(ratings: hf_cf.Ratings) -> sp.csr_matrix:
    """Users by items, strengths."""
    shape = len(ratings.users), len(ratings.items)
    return sp.csr_matrix((ratings.stars, (ratings.user_codes, ratings.item_codes)), shape=shape)


def lists(scores: Score, seen: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
    """The K best unseen items of users, by scores of all items."""
    top = np.zeros((len(users), K), np.int32)
    for start in range(0, len(users), 256):
        rows = users[start : start + 256]
        found = np.array(scores(rows), np.float32)
        found[:, 0] = -np.inf
        found[seen[rows].nonzero()] = -np.inf
        best = np.argpartition(-found, K, axis=1)[:, :K]
        order = np.argsort(-np.take_along_axis(found, best, 1), axis=1, kind="stable")
        top[start : start + 256] = np.take_along_axis(best, order, 1)
    return top


def quality(top: np.ndarray, users: np.ndarray, test: hf_cf.Ratings) -> float:
    """Mean nDCG of lists."""
    relevant = History.from_ratings(test).take(users)
    return float(ndcg(find_hits(top, relevant), np.diff(relevant.starts)).mean())


def als_of(weighted: sp.csr_matrix, settings: dict[str, Any], seed: int) -> Score:
    model = implicit.als.AlternatingLeastSquares(random_state=seed, **settings)
    with threadpool_limits(1, "blas"):  # it has threads of its own
        model.fit(weighted, show_progress=False)
    users, items = model.user_factors, model.item_factors
    return lambda rows: users[rows] @ items.T


def ease_of(train: sp.csr_matrix, ridge: float) -> Score:
    seen = (train > 0).astype(np.float32)
    gram = (seen.T @ seen).toarray().astype(np.float32)
    gram[np.diag_indices_from(gram)] += ridge
    lower, failed = lapack.spotrf(gram, lower=True, overwrite_a=True)
    assert not failed
    weights, _ = lapack.spotri(lower, lower=True, overwrite_c=True)  # the lower half of the inverse
    weights = np.tril(weights) + np.tril(weights, -1).T
    weights /= -np.diag(weights)
    np.fill_diagonal(weights, 0)
    return lambda rows: np.asarray(seen[rows] @ weights)


def grids(train: sp.csr_matrix, seed: int) -> Iterator[tuple[str, dict[str, Any], Score]]:
    """Every system with each of its settings."""
    yield "most popular", {}, lambda rows: np.tile(train.getnnz(axis=0), (len(rows), 1))
    for factors in (64, 128):
        for reg in (0.1, 1.0, 10.0):
            for alpha in (0.01, 0.1, 1.0):
                raw = {"factors": factors, "regularization": reg, "alpha": alpha}
                yield "implicit ALS, raw counts", raw, als_of(train, raw, seed)
            for k1 in (1.2, 100.0):
                settings = {"factors": factors, "regularization": reg, "alpha": 1.0}
                weighted = bm25_weight(train, K1=k1, B=0.8).tocsr().astype(np.float32)
                found = als_of(weighted, settings, seed)
                yield "implicit ALS, BM25", {**settings, "K1": k1}, found
    for ridge in (100.0, 300.0, 1000.0):
        yield "EASE", {"ridge": ridge}, ease_of(train, ridge)


def chosen(train: hf_cf.Ratings) -> dict[str, dict[str, Any]]:
    """The best settings of each peer on a validation part of the training ratings."""
    mask = held_out(train, VALIDATION)
    part, valid = matrix(train.take(~mask)), train.take(mask)
    users = np.unique(valid.user_codes)
    best: dict[str, tuple[float, dict[str, Any]]] = {}
    for system, settings, scores in grids(part, 0):
        found = quality(lists(scores, part, users), users, valid)
        print(f"{system} {settings}: {found:.4f}", flush=True)
        if found > best.get(system, (-1.0, {}))[0]:
            best[system] = (found, settings)
    return {system: settings for system, (_, settings) in best.items()}


def peer(system: str, train: sp.csr_matrix, settings: dict[str, Any], seed: int) -> Score:
    if system == "EASE":
        return ease_of(train, **settings)
    if system == "most popular":
        return lambda rows: np.tile(train.getnnz(axis=0), (len(rows), 1))
    own = dict(settings)
    k1 = own.pop("K1", None)
    weighted = train if k1 is None else bm25_weight(train, K1=k1, B=0.8).tocsr().astype(np.float32)
    return als_of(weighted, own, seed)


def ours(train: hf_cf.Ratings, users: np.ndarray) -> np.ndarray:
    rec = fit(train, progress=False)
    asking = KnownUsers(users.astype(np.int32), rec.history)
    return recommend(rec.trained, asking, K).lists(len(users), K)


def visitors(ratings: hf_cf.Ratings, seed: int) -> tuple[float, float]:
    """NDCG of held-out people as visitors, and as users of a model trained with what they give."""
    train, test = ratings.split(0.2, seed=seed, by="user")
    mask = held_out(test, seed, share=0.5)
    given, target = test.take(~mask), test.take(mask)
    people = np.unique(target.user_codes)
    observed = History.from_ratings(given).take(people)
    found = recommend(fit(train, progress=False).trained, Visitors(observed), K)
    as_visitors = quality(found.lists(len(people), K), people, target)
    together = replace(
        train,
        user_codes=np.concatenate([train.user_codes, given.user_codes]),
        item_codes=np.concatenate([train.item_codes, given.item_codes]),
        stars=np.concatenate([train.stars, given.stars]),
    )
    return as_visitors, quality(ours(together, people), people, target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    warnings.simplefilter("ignore")
    ratings = hf_cf.load_ratings(parser.parse_args().data, feedback="implicit")
    settings = chosen(ratings.take(~held_out(ratings, VALIDATION)))
    found: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for seed in SEEDS:
        mask = held_out(ratings, seed)
        train, test = ratings.take(~mask), ratings.take(mask)
        users, seen = np.unique(test.user_codes), matrix(train)
        for system in ("hf_cf", *settings):
            began = time.perf_counter()
            if system == "hf_cf":
                top = ours(train, users)
            else:
                top = lists(peer(system, seen, settings[system], seed), seen, users)
            seconds.setdefault(system, []).append(time.perf_counter() - began)
            found.setdefault(system, []).append(quality(top, users, test))
            print(seed, system, f"{found[system][-1]:.4f}", flush=True)
    pairs = np.array([visitors(ratings, seed) for seed in SEEDS])
    lines = [
        "# Plays next to the libraries for them", "",
        f"Last.fm, {ratings}; a random fifth of each user's artists held out, all unheard ones "
        f"ranked, {len(SEEDS)} seeds. Settings of the peers by a validation split; hf_cf with its "
        f"defaults, which were chosen on another one. implicit {implicit.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, on a shared machine.", "",
        f"| system | nDCG@{K} | standard deviation over seeds | seconds | settings |",
        "|---|---|---|---|---|",
    ]  # fmt: skip
    for system, values in sorted(found.items(), key=lambda pair: -np.mean(pair[1])):
        lines.append(
            f"| {system} | {np.mean(values):.4f} | {np.std(values):.4f} | "
            f"{np.median(seconds[system]):.1f} | {settings.get(system, 'defaults')} |"
        )
    lines += [
        "",
        f"A fifth of the people held out, half of their artists given: nDCG@{K} "
        f"{pairs[:, 0].mean():.4f} as visitors, {pairs[:, 1].mean():.4f} trained with it "
        f"({pairs[:, 0].mean() / pairs[:, 1].mean() - 1:+.1%}).",
        "",
    ]
    RESULT.write_text("\n".join(lines), "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
