"""What a finished model shows of people whom it was not trained on."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

import hf_cf
from hf_cf.storage.pictures.cold_start_curves import COLOURS, draw_cold_start
from hf_cf.training import fit


@pytest.fixture(scope="module")
def by_user(sample: hf_cf.Ratings) -> hf_cf.Recommender:
    return fit(*sample.split(0.1, seed=0, by="user"), epochs=1, progress=False)


def test_held_out_people_are_measured_as_visitors(
    by_user: hf_cf.Recommender, trained: hf_cf.Recommender
) -> None:
    table = pd.DataFrame(by_user.metadata.cold_start["measurements"])
    assert table["given"].max() == 50
    assert {"model", "damped biases", "most popular"} <= set(table["system"])
    assert not by_user.metadata.evaluation
    assert not trained.metadata.cold_start


def test_the_card_shows_their_curves(by_user: hf_cf.Recommender, tmp_path: Path) -> None:
    by_user.save_pretrained(tmp_path)
    assert (tmp_path / "cold_start.png").exists()
    card = (tmp_path / "README.md").read_text()
    assert "60 people were held out with all their ratings, and gave 0 to 50 of them" in card
    assert "](cold_start.png)" in card
    loaded = hf_cf.Recommender.from_pretrained(tmp_path)
    assert loaded.metadata.cold_start == by_user.metadata.cold_start
    assert loaded.trained.pictures["cold_start.png"] == by_user.trained.pictures["cold_start.png"]


def test_every_system_has_a_curve_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    table = pd.DataFrame(
        {
            "given": [0, 10] * 3,
            "system": ["model"] * 2 + ["most popular"] * 2 + ["of another name"] * 2,
            "rmse": [1.0, 0.9, np.nan, np.nan, 1.1, 1.0],
            "ndcg": [0.2, 0.3, 0.2, 0.2, np.nan, np.nan],
        }
    )
    draw_cold_start({"some": table, "others": table}, path)
    pixels = (matplotlib.image.imread(path)[..., :3] * 255).round().astype(np.int64)
    shown = {f"#{colour:06x}" for colour in np.unique(pixels @ [0x10000, 0x100, 1])}
    assert {COLOURS["model"], COLOURS["most popular"], "#7048e8"} <= shown
