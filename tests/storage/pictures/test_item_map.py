"""The picture of the items."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hf_cf import Recommender
from hf_cf.storage.pictures import item_map
from hf_cf.storage.pictures.item_map import draw_item_map


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    figures = []
    savefig = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **k: (figures.append(self), savefig(self, *a, **k))
    )
    return figures


def titles(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_titles_do_not_cover_each_other(
    trained: Recommender, tmp_path: Path, drawn: list[Figure]
) -> None:
    draw_item_map(trained.trained, tmp_path / "map.png")
    (axes,) = drawn[0].axes
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) >= 40
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])
    assert matplotlib.image.imread(tmp_path / "map.png").shape == (1216, 1600, 4)


def test_the_most_rated_titles_are_written_as_they_are_said(
    trained: Recommender, tmp_path: Path, drawn: list[Figure]
) -> None:
    draw_item_map(trained.trained, tmp_path / "map.png")
    shown = titles(drawn[0].axes[0])
    most = trained.catalogue.nlargest(5, "n_ratings")["title"]
    assert sum(item_map._short(title) in shown for title in most) >= 3
    assert item_map._short("Matrix, The (1999)") == "The Matrix"
    assert item_map._short("Heat (1995)") == "Heat"
    assert item_map._short("Good, the Bad and the Ugly, The (1966)").startswith("The Good, the")
    assert len(item_map._short("x" * 100)) <= 32


def test_synthetic_data_is_named_in_the_picture(
    trained: Recommender, tmp_path: Path, drawn: list[Figure]
) -> None:
    draw_item_map(trained.trained, tmp_path / "map.png")
    assert any("synthetic" in text.get_text() for text in drawn[0].texts)


@pytest.mark.parametrize("missing", ["genres", "titles"])
def test_little_is_enough_for_a_picture(tmp_path: Path, missing: str) -> None:
    import pandas as pd
    import torch

    import hf_cf
    from hf_cf.inference.trained_model import TrainedModel
    from hf_cf.models import DotProduct

    frame = pd.DataFrame({"user": [1, 1, 2], "item": ["$x$", "b", "b"], "rating": [1.0, 2.0, 3.0]})
    items = None if missing == "titles" else pd.DataFrame({"id": ["b"], "title": [r"\frac_$"]})
    ratings = hf_cf.Ratings.from_frame(frame, items)
    torch.manual_seed(0)
    model = DotProduct(len(ratings.users), len(ratings.items), 1)
    draw_item_map(TrainedModel.from_modules(model, ratings, noise=1.0), tmp_path / "map.png")
    assert np.ptp(matplotlib.image.imread(tmp_path / "map.png")) > 0
