"""One system, one split, in a process of its own: fit, predict, and say what it took.

Called by ``rating_accuracy.py``, under the interpreter whose environment has the system, because
their pins differ. A folder holds what is to be learned::

    train.csv, test.csv   user, item, rating, timestamp
    users.csv, items.csv  id and features; genres joined with |

Prints one line of JSON: seconds of fitting and of predicting, RMSE of the predictions cut to the
scale, peak memory in MB, and versions.
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

Predict = Callable[[pd.DataFrame], np.ndarray]


class Split:
    """The tables of a folder."""

    def __init__(self, folder: Path) -> None:
        self.train, self.test = (pd.read_csv(folder / f"{p}.csv") for p in ("train", "test"))
        self.users, self.items = (pd.read_csv(folder / f"{p}.csv") for p in ("users", "items"))
        self.scale = float(self.train["rating"].min()), float(self.train["rating"].max())

    def codes(self, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Positions of users and items in their tables."""
        return (
            pd.Index(self.users["id"]).get_indexer(table["user"]),
            pd.Index(self.items["id"]).get_indexer(table["item"]),
        )


def surprise_model(name: str) -> Callable[..., Predict]:
    def fit(split: Split, **settings: Any) -> Predict:
        import surprise

        reader = surprise.Reader(rating_scale=split.scale)
        data = surprise.Dataset.load_from_df(split.train[["user", "item", "rating"]], reader)
        if name == "KNNBaseline":
            similarity = {
                key: settings.pop(key) for key in ("name", "user_based", "shrinkage", "min_support")
            }
            settings |= {"sim_options": similarity, "verbose": False}
        else:
            settings |= {"random_state": 0}
        model = getattr(surprise, name)(**settings).fit(data.build_full_trainset())
        return lambda table: np.array(
            [model.predict(u, i).est for u, i in zip(table["user"], table["item"], strict=True)]
        )

    return fit


def cmfrec_model(split: Split, **settings: Any) -> Predict:
    import cmfrec

    table = split.train.rename(columns={"user": "UserId", "item": "ItemId", "rating": "Rating"})
    model = cmfrec.CMF(**settings, verbose=False, random_state=0)
    model.fit(table[["UserId", "ItemId", "Rating"]])

    def predict(test: pd.DataFrame) -> np.ndarray:
        found = model.predict(test["user"].to_numpy(), test["item"].to_numpy())
        return np.where(np.isnan(found), table["Rating"].mean(), found)

    return predict


def libmf_model(split: Split, **settings: Any) -> Predict:
    """LIBMF has no biases: it factors what the damped means of users and items leave.

    With one thread: with two it hung once, spinning, when another program wanted a core.
    """
    from libmf import mf

    users, items = split.codes(split.train)
    stars = split.train["rating"].to_numpy()
    mean, by_user, by_item = stars.mean(), np.zeros(len(split.users)), np.zeros(len(split.items))
    by_users = np.bincount(users, minlength=len(by_user)) + 5
    by_items = np.bincount(items, minlength=len(by_item)) + 5
    for _ in range(10):
        by_item = np.bincount(items, stars - mean - by_user[users], len(by_item)) / by_items
        by_user = np.bincount(users, stars - mean - by_item[items], len(by_user)) / by_users
    left = stars - mean - by_user[users] - by_item[items]
    engine = mf.MF(nr_threads=1, quiet=True, **settings)
    engine.fit(np.stack([users, items, left], 1))

    def predict(test: pd.DataFrame) -> np.ndarray:
        u, i = split.codes(test)
        found = engine.predict(np.stack([u, i], 1))
        return mean + by_user[u] + by_item[i] + np.where(np.isfinite(found), found, 0)

    return predict


def lenskit_model(split: Split, **settings: Any) -> Predict:
    from lenskit.als import BiasedMFScorer
    from lenskit.data import ItemList, RecQuery, from_interactions_df
    from lenskit.training import TrainingOptions

    table = split.train.rename(columns={"user": "user_id", "item": "item_id"})
    data = from_interactions_df(table[["user_id", "item_id", "rating"]])
    model = BiasedMFScorer(**settings)
    model.train(data, TrainingOptions(rng=0))
    mean = float(split.train["rating"].mean())

    def predict(test: pd.DataFrame) -> np.ndarray:
        found = np.full(len(test), mean)
        for user, rows in test.reset_index(drop=True).groupby("user").groups.items():
            asked = ItemList(item_ids=test["item"].to_numpy()[rows])
            found[rows] = model(RecQuery(user_id=user), asked).scores()
        return np.where(np.isnan(found), mean, found)

    return predict


def myfm_model(split: Split, *, ordinal: bool, features: bool, **settings: Any) -> Predict:
    """Feed myFM as its MovieLens notebook does: ids; with features also who rated what, the day."""
    import myfm

    blocks, shapes = myfm_blocks(split, features)
    days = pd.Index(split.train["timestamp"] // 86_400).unique().sort_values()

    def rows(table: pd.DataFrame) -> tuple[Any, list[Any]]:
        own = zip(split.codes(table), blocks, strict=True)
        related = [myfm.RelationBlock(codes.tolist(), block) for codes, block in own]
        if not features:
            return one_hot(np.zeros(len(table), int), 0), related
        day = days.get_indexer(table["timestamp"] // 86_400, method="nearest")
        return one_hot(day, len(days)), related

    low, step = split.scale[0], 1.0 if split.scale[0] == 1 else 0.5
    target = split.train["rating"].to_numpy()
    n_iter = settings.pop("n_iter")
    if ordinal:
        model = myfm.MyFMOrderedProbit(**settings, random_seed=0)
        target = np.rint((target - low) / step).astype(int)
    else:
        model = myfm.MyFMRegressor(**settings, random_seed=0)
    design, related = rows(split.train)
    model.fit(
        design, target, X_rel=related, n_iter=n_iter, n_kept_samples=n_iter - 10,
        group_shapes=([len(days)] if features else []) + shapes,
    )  # fmt: skip

    def predict(test: pd.DataFrame) -> np.ndarray:
        if not ordinal:
            return model.predict(*rows(test))
        chances = model.predict_proba(*rows(test))
        return chances @ (low + step * np.arange(chances.shape[1]))

    return predict


def myfm_blocks(split: Split, features: bool) -> tuple[list[Any], list[int]]:
    """One row a user and one row an item, and the widths of the groups of columns."""
    from scipy import sparse

    n_users, n_items = len(split.users), len(split.items)
    codes = split.codes(split.train)
    rated = sparse.csr_matrix((np.ones(len(codes[0])), codes), shape=(n_users, n_items))
    blocks, shapes = [], []
    for pattern, table in ((rated, split.users), (rated.T.tocsr(), split.items)):
        parts = [sparse.identity(len(table), format="csr")]
        if features:
            parts.append(
                sparse.diags(1 / np.sqrt(np.maximum(np.diff(pattern.indptr), 1))) @ pattern
            )
            parts += [
                sparse.csr_matrix(
                    table[name].fillna("").astype(str).str.get_dummies("|"), dtype=float
                )
                for name in table.columns.drop("id")
            ]
        blocks.append(sparse.hstack(parts, format="csr"))
        shapes += [part.shape[1] for part in parts]
    return blocks, shapes


def one_hot(codes: np.ndarray, n: int) -> Any:
    from scipy import sparse

    where = (np.arange(len(codes)), codes) if n else (np.zeros(0, int), np.zeros(0, int))
    return sparse.csr_matrix((np.ones(len(where[0])), where), shape=(len(codes), n))


def fastai_model(split: Split, **settings: Any) -> Predict:
    """Stock fastai: its own loaders, its own learner, the book's settings where none are given."""
    import torch
    from fastai.collab import CollabDataLoaders, collab_learner

    data = CollabDataLoaders.from_df(
        split.train[["user", "item", "rating"]], valid_pct=0.01, seed=0, bs=settings["bs"]
    )
    learn = collab_learner(data, n_factors=settings["n_factors"], y_range=(0, 5.5))
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(settings["epochs"], 5e-3, wd=settings["wd"])

    def predict(test: pd.DataFrame) -> np.ndarray:
        codes = [
            pd.Index(list(classes)).get_indexer(test[name]).clip(0)
            for name, classes in data.classes.items()
        ]
        with torch.no_grad():
            return learn.model.eval()(torch.from_numpy(np.stack(codes, 1)).long()).numpy()

    return predict


def own_model(name: str) -> Callable[..., Predict]:
    def fit(split: Split, **settings: Any) -> Predict:
        import hf_cf
        from hf_cf.training import fit as train

        # The films of the test file are known by name and feature; their ratings are not.
        named = hf_cf.Ratings.from_frame(
            pd.concat([split.train, split.test]),
            split.items,
            split.users if len(split.users.columns) > 1 else None,
        )
        ratings = named.take(np.arange(len(split.train)))
        rec = train(ratings, model=name, ranking=None, progress=False, **settings)

        def predict(test: pd.DataFrame) -> np.ndarray:
            when = {"when": test["timestamp"].to_numpy()} if settings.get("dates") else {}
            return rec.predict(test["user"].to_numpy(), test["item"].to_numpy(), **when)

        return predict

    return fit


SYSTEMS: dict[str, Callable[..., Predict]] = {
    "Surprise SVD": surprise_model("SVD"),
    "Surprise SVD++": surprise_model("SVDpp"),
    "Surprise KNNBaseline": surprise_model("KNNBaseline"),
    "cmfrec": cmfrec_model,
    "LIBMF on damped biases": libmf_model,
    "LensKit BiasedMF": lenskit_model,
    "myFM": myfm_model,
    "stock fastai collab_learner": fastai_model,
    "hf_cf collab_learner": own_model("collab_learner"),
    "hf_cf als": own_model("als"),
    "hf_cf bayesian_mf": own_model("bayesian_mf"),
}
PACKAGES = {
    "Surprise": "scikit-surprise", "cmfrec": "cmfrec", "LIBMF": "libmf", "LensKit": "lenskit",
    "myFM": "myfm", "stock": "fastai", "hf_cf": "torch",
}  # fmt: skip


def peak_mb() -> float:
    """Most memory that this process has held; getrusage would count what it was forked from."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=SYSTEMS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("settings", type=json.loads)
    arguments = parser.parse_args()
    split = Split(arguments.folder)
    began = time.perf_counter()
    predict = SYSTEMS[arguments.system](split, **arguments.settings)
    fitted = time.perf_counter()
    stars = np.clip(predict(split.test), *split.scale)
    answered = time.perf_counter()
    error = stars - split.test["rating"].to_numpy()
    package = PACKAGES[arguments.system.split()[0]]
    found = {
        "fit_s": fitted - began,
        "predict_s": answered - fitted,
        "rmse": float(np.sqrt(np.mean(error**2))),
        "peak_mb": peak_mb(),
        "version": f"{package} {version(package)}",
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
