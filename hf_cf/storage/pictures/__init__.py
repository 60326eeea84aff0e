"""The pictures of a model card, drawn when a card is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from hf_cf.data.whole_writes import temporary_folder
from hf_cf.inference.trained_model import TrainedModel


def with_pictures(model: TrainedModel) -> TrainedModel:
    """Return the model with pictures: those that it has, or new ones of a training by hf_cf.

    Without matplotlib, which the extra ``train`` brings, a card has none.
    """
    if model.pictures or not model.metadata.settings or find_spec("matplotlib") is None:
        return model
    from hf_cf.storage.pictures.cold_start_curves import draw_cold_start
    from hf_cf.storage.pictures.item_map import draw_item_map
    from hf_cf.storage.pictures.learning_curves import draw_learning_curves

    draw: dict[str, Callable[[Path], None]] = {
        "item_map.png": lambda path: draw_item_map(model, path)
    }
    if model.metadata.epochs:
        draw["learning_curves.png"] = lambda path: draw_learning_curves(model.metadata, path)
    if model.metadata.cold_start:
        table = pd.DataFrame(model.metadata.cold_start["measurements"])
        draw["cold_start.png"] = lambda path: draw_cold_start({model.source.name: table}, path)
    pictures = {}
    with temporary_folder() as folder:
        for name, picture in draw.items():
            picture(folder / name)
            pictures[name] = (folder / name).read_bytes()
    return replace(model, pictures=pictures)
