"""A small model's folder in memory, and what a forger does so that changes look whole."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from altered import altered

import hf_cf
from hf_cf import Recommender
from hf_cf.data.history import History
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.models import EmbeddingDotBias, RatingModel
from hf_cf.models.ranking import ImplicitALS
from hf_cf.storage.model_folder import _checksum

Files = dict[str, bytes]
NAMES = (
    "config.json", "held_out.parquet", "history.parquet", "items.parquet", "model.safetensors",
    "users.parquet",
)  # fmt: skip
N_USERS, N_ITEMS = 12, 15


def small_model(seed: int = 0, model: RatingModel | None = None) -> Recommender:
    """A recommender of random numbers: 12 users, 15 items, and every part that one can have."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "user": np.repeat(np.arange(1, N_USERS + 1) + 100 * seed, 6),
            "item": np.concatenate(
                [rng.permutation(N_ITEMS)[:6] for _ in range(N_USERS - 1)] + [np.arange(9, 15)]
            ),
            "rating": rng.integers(1, 6, N_USERS * 6),
        }
    )
    items = pd.DataFrame(
        {
            "id": np.arange(N_ITEMS),
            "title": [f"Film {i} ({1990 + i})" for i in range(N_ITEMS)],
            "year": pd.array([1990 + i if i else None for i in range(N_ITEMS)], dtype="Int32"),
            "genres": ["Drama|War" if i % 3 else "Comedy" for i in range(N_ITEMS)],
        }
    )
    ratings = hf_cf.Ratings.from_frame(frame, items, scale=hf_cf.RatingScale(1, 5, 1))
    torch.manual_seed(seed)
    if model is None:
        model = EmbeddingDotBias(len(ratings.users), len(ratings.items), 4, (0.0, 5.5))
        for table in [*model.tables()[0], *model.tables()[1]]:
            table.weight.data.normal_()
    ranking = ImplicitALS(
        len(ratings.items), factors=3, preference=[-0.5, 0, 0.5, 0.8, 1], weight=[1.0] * 5,
        unobserved=0.1, regularization=0.1, exponent=1.0, effective_items=10.0, low=1, high=5,
    )  # fmt: skip
    ranking.set_items(torch.randn(len(ratings.items), 3))
    head = RankingHead(ranking.eval(), torch.randn(len(ratings.users), 3))
    rec = Recommender(TrainedModel.from_modules(model, ratings, ranking=head, noise=1.0))
    rec.build_index(progress=False)
    users = np.repeat(np.arange(1, N_USERS + 1, dtype=np.int32), 4)
    items = np.tile(np.arange(1, N_ITEMS, 4, dtype=np.int32), N_USERS)
    held_out = History.from_codes(users, items, np.full(len(users), 3, np.float32), N_USERS + 1)
    assert rec.history is not None
    return altered(rec, held_out=held_out.without(rec.history))


def files_in(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(folder: Path, files: Files) -> Path:
    for path in folder.iterdir():
        path.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def sealed(files: Files) -> Files:
    """The same files with the sizes and checksums that they have now, as a forger would write."""
    try:
        config = json.loads(files["config.json"])
        for name in list(config["files"]):
            config["files"][name] = {
                "size": len(files[name]),
                "sha256": hashlib.sha256(files[name]).hexdigest(),
            }
        config["checksum"] = _checksum(config)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return files
    return files | {"config.json": json.dumps(config).encode()}


def with_config(files: Files, *path: str | int, value: Any) -> Files:
    """The files with one field of the config replaced, sealed again."""
    config = json.loads(files["config.json"])
    node = config
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return sealed(files | {"config.json": json.dumps(config).encode()})


def answers(rec: Recommender) -> bytes:
    """Everything that a model predicts, byte for byte."""
    visitor = rec.predict(items=rec.items.ids, ratings={rec.items.ids[0]: rec.scale.max})
    known = rec.predict(np.repeat(rec.users.ids, 2), np.resize(rec.items.ids, 2 * N_USERS))
    shown = rec.recommend(user=rec.users.ids[:3], n=5)
    return visitor.tobytes() + known.tobytes() + shown.to_json().encode()


def with_header(files: Files, change: Callable[[dict[str, Any]], Any]) -> Files:
    raw = files["model.safetensors"]
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header = change(header) or header
    text = json.dumps(header).encode()
    data = raw[8 + length :]
    return sealed(files | {"model.safetensors": struct.pack("<Q", len(text)) + text + data})
