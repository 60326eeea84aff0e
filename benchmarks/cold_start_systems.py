"""One library meets people whom it was not trained on, in a process of its own.

Called by ``cold_start_peers.py``, under the interpreter whose environment has the library, because
their pins differ. A folder holds::

    train.csv    user, item, rating: what is learned from
    given.csv    person, item, rating: what new people have told
    target.csv   person, item: whose stars are asked for

Writes ``lists.npy`` (10 items for each person) or ``stars.npy`` (one number for each row of the
target) there, or both, and prints one line of JSON with times and the version.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

N = 10
WARM, RETRAINED = 20, 3
"""Answers that are not timed, and how many people a model is trained again for."""


class Visitors:
    """The tables of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.train, self.given, self.target = (
            pd.read_csv(folder / f"{part}.csv") for part in ("train", "given", "target")
        )
        self.n_people = int(self.target["person"].max()) + 1
        self.n_items = int(max(self.train["item"].max(), self.target["item"].max())) + 1
        groups = self.given.groupby("person")[["item", "rating"]]
        empty = self.given.iloc[:0][["item", "rating"]]
        known = dict(iter(groups))
        self.told = [known.get(person, empty) for person in range(self.n_people)]

    def ask_all(self, answer: Callable[[pd.DataFrame], Any]) -> dict[str, float]:
        """Ask for everybody's list, one after another; milliseconds of an answer."""
        lists, seconds = np.zeros((self.n_people, N), np.int64), []
        for person, told in enumerate(self.told):
            started = time.perf_counter()
            found = answer(told)
            seconds.append(time.perf_counter() - started)
            lists[person, : len(found)] = found
        np.save(self.folder / "lists.npy", lists)
        return {"one_ms": float(np.median(seconds[WARM:])) * 1000}

    def stars(self, predicted: Any) -> None:
        """Keep what was predicted for the target."""
        np.save(self.folder / "stars.npy", np.asarray(predicted, np.float32))


def implicit_als(people: Visitors, threshold: float, **settings: Any) -> dict[str, float]:
    import implicit
    from scipy.sparse import csr_matrix

    liked = people.train[people.train["rating"] >= threshold]
    shape = int(people.train["user"].max()) + 1, people.n_items
    matrix = csr_matrix((np.ones(len(liked), np.float32), (liked["user"], liked["item"])), shape)
    model = implicit.als.AlternatingLeastSquares(
        iterations=15, use_gpu=False, random_state=0, num_threads=1, **settings
    )
    started = time.perf_counter()
    model.fit(matrix, show_progress=False)
    fit_s = time.perf_counter() - started

    def answer(told: pd.DataFrame) -> np.ndarray:
        items, likes = told["item"].to_numpy(), told["rating"].to_numpy() >= threshold
        row = csr_matrix(
            (np.ones(likes.sum(), np.float32), items[likes], [0, likes.sum()]), (1, people.n_items)
        )
        return model.recommend(
            0, row, N=N, recalculate_user=True, filter_already_liked_items=False,
            filter_items=np.append(items, 0),
        )[0]  # fmt: skip

    return {"fit_s": fit_s, **people.ask_all(answer)}


def lenskit_mf(people: Visitors, threshold: float, **settings: Any) -> dict[str, float]:
    from lenskit.als import ImplicitMFScorer
    from lenskit.data import ItemList, RecQuery, from_interactions_df
    from lenskit.training import TrainingOptions

    liked = people.train[people.train["rating"] >= threshold]
    table = liked.rename(columns={"user": "user_id", "item": "item_id"})[["user_id", "item_id"]]
    model = ImplicitMFScorer(epochs=15, **settings)
    started = time.perf_counter()
    model.train(from_interactions_df(table), TrainingOptions(rng=0))
    fit_s = time.perf_counter() - started
    ids = model.items.ids()
    everything = ItemList(item_ids=ids)

    def answer(told: pd.DataFrame) -> np.ndarray:
        items = told["item"].to_numpy()
        likes = items[(told["rating"].to_numpy() >= threshold) & np.isin(items, ids)]
        found = model(RecQuery(user_items=ItemList(item_ids=likes)), everything)
        scores = np.array(found.scores(), np.float32)
        scores[np.isnan(scores) | np.isin(ids, items)] = -np.inf
        top = np.argpartition(-scores, N)[:N]
        return ids[top[np.argsort(-scores[top])]]

    return {"fit_s": fit_s, **people.ask_all(answer)}


def surprise_svd(people: Visitors, **settings: Any) -> dict[str, float]:
    """Surprise cannot place a new user, so it is trained again with what they have told."""
    import surprise

    scale = float(people.train["rating"].min()), float(people.train["rating"].max())
    visitors = people.given.assign(user="new " + people.given["person"].astype(str))

    def train(more: pd.DataFrame) -> Any:
        table = pd.concat([people.train, more])[["user", "item", "rating"]]
        data = surprise.Dataset.load_from_df(table, surprise.Reader(rating_scale=scale))
        return surprise.SVD(**settings, random_state=0).fit(data.build_full_trainset())

    # All at once, which is best for it; the time of one person is that of training for them alone.
    model = train(visitors)
    people.stars(
        [
            model.predict(f"new {person}", item).est
            for person, item in zip(people.target["person"], people.target["item"], strict=True)
        ]
    )
    seconds = []
    for person in range(RETRAINED):
        started = time.perf_counter()
        own = train(visitors[visitors["person"] == person])
        unseen = np.setdiff1d(people.train["item"].unique(), people.told[person]["item"])
        stars = [own.predict(f"new {person}", item).est for item in unseen.tolist()]
        unseen[np.argsort(stars)[::-1][:N]].tolist()
        seconds.append(time.perf_counter() - started)
    return {"one_ms": float(np.median(seconds)) * 1000}


def hf_cf_visitor(people: Visitors) -> dict[str, float]:
    import torch

    import hf_cf
    from hf_cf.training import fit

    torch.set_num_threads(1)
    ratings = hf_cf.Ratings.from_frame(people.train)
    started = time.perf_counter()
    rec = fit(*ratings.split(0.1, seed=0), progress=False)
    fit_s = time.perf_counter() - started

    def answer(told: pd.DataFrame) -> Any:
        given = dict(zip(told["item"].tolist(), told["rating"].tolist(), strict=True))
        return rec.recommend(ratings=given, n=N, on_unknown="skip")["item"].to_numpy()

    times = people.ask_all(answer)
    mean = float(people.train["rating"].mean())
    stars = np.full(len(people.target), mean)
    known = people.target["item"].isin(rec.items.ids).to_numpy()
    for person, rows in people.target[known].groupby("person").groups.items():
        told = people.told[int(person)].itertuples(index=False)
        stars[rows] = rec.predict(
            items=people.target["item"].to_numpy()[rows], ratings=list(told), on_unknown="skip"
        )
    people.stars(stars)
    return {"fit_s": fit_s, **times}


SYSTEMS: dict[str, tuple[str, Callable[..., dict[str, float]]]] = {
    "hf_cf": ("torch", hf_cf_visitor),
    "implicit": ("implicit", implicit_als),
    "LensKit": ("lenskit", lenskit_mf),
    "Surprise": ("scikit-surprise", surprise_svd),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("settings", type=json.loads)
    arguments = parser.parse_args()
    package, system = SYSTEMS[arguments.system]
    found = system(Visitors(arguments.folder), **arguments.settings)
    found["version"] = f"{package} {version(package)}"
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
