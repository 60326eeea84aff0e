"""What the page about the model shows of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hf_cf.recommender import Recommender

_COLUMNS = 80
_RARELY = 10
_LIKED = 8
_NO_BIASES = pd.DataFrame({"item": [], "bias": [], "n_ratings": []})


def popularity(n_ratings: npt.NDArray[np.int64]) -> dict[str, Any]:
    """How unevenly ratings fall on items.

    Parameters
    ----------
    n_ratings : int64 array, shape (n,)
        Ratings of each item.

    Returns
    -------
    dict
        ``columns``: the mean number of ratings of at most 80 groups of equally many items, the
        most rated first; ``share_of_top_tenth``: of all ratings, from 0 to 1; ``n_items``;
        ``n_rare``: items with fewer than 10.
    """
    falling = np.sort(n_ratings)[::-1]
    groups = np.array_split(falling, min(_COLUMNS, max(1, len(falling))))
    tenth = falling[: max(1, round(len(falling) / 10))].sum()
    return {
        "columns": [float(group.mean()) for group in groups if len(group)],
        "share_of_top_tenth": float(tenth / max(1, falling.sum())),
        "n_items": len(falling),
        "n_rare": int((falling < _RARELY).sum()),
    }


def model_report(rec: Recommender) -> dict[str, Any]:
    """Measurements, popularity, and the items liked most and least beyond taste.

    Returns
    -------
    dict
        ``measurements`` (records of ``Evaluation.to_dict``; empty where none were made), ``k``
        (of the ranking metrics), ``popularity``, ``most_liked`` and ``least_liked`` (pairs of id
        and bias, among the items that are rated at least as often as the average).
    """
    evaluation = rec.metadata.evaluation
    table = rec.item_bias() if rec.trained.scorer.predicts_stars else _NO_BIASES
    often = max(_RARELY, float(rec.catalogue["n_ratings"].mean()))
    table = table[table["n_ratings"] >= often]
    pairs = list(zip(table["item"].tolist(), table["bias"].tolist(), strict=True))
    shown = min(_LIKED, len(pairs) // 2)
    return {
        "measurements": evaluation.get("measurements", []),
        "k": evaluation.get("protocol", {}).get("k", 10),
        "popularity": popularity(rec.catalogue["n_ratings"].to_numpy(np.int64)),
        "most_liked": pairs[:shown],
        "least_liked": pairs[::-1][:shown],
    }
