"""The picture of a training run."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from hf_cf.inference.metadata import TrainingMetadata
from hf_cf.storage.pictures.learning_curves import draw_learning_curves


def epochs(n: int, *, valid: bool) -> list[dict[str, float]]:
    records = []
    for epoch in range(1, n + 1):
        record = {"epoch": float(epoch), "seconds": 1.0, "train_loss": 1.5 / epoch}
        records.append(record | ({"valid_loss": 1 / epoch + 0.5} if valid else {}))
    return records


def colours(path: Path) -> set[int]:
    """Collect the colours of a picture as numbers: 0xRRGGBB."""
    pixels = (matplotlib.image.imread(path)[..., :3] * 255).round().astype(np.int64)
    return set(np.unique(pixels @ [0x10000, 0x100, 1]).tolist())


TRAIN, VALID = 0x8A94A6, 0xD9480F


@pytest.mark.parametrize("n", [1, 30])
def test_both_losses_are_drawn(tmp_path: Path, n: int) -> None:
    path = tmp_path / "curves.png"
    draw_learning_curves(TrainingMetadata(epochs=epochs(n, valid=True)), path)
    assert {TRAIN, VALID} <= colours(path)


def test_without_validation_only_the_training_loss_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    draw_learning_curves(TrainingMetadata(epochs=epochs(3, valid=False)), path)
    assert TRAIN in colours(path)
    assert VALID not in colours(path)


def test_the_kept_epoch_is_marked(tmp_path: Path) -> None:
    plain, marked = tmp_path / "plain.png", tmp_path / "marked.png"
    records = epochs(5, valid=True)
    draw_learning_curves(TrainingMetadata(epochs=records), plain)
    draw_learning_curves(TrainingMetadata(metrics={"best_epoch": 2.0}, epochs=records), marked)
    assert plain.read_bytes() != marked.read_bytes()


def test_a_run_of_which_nothing_is_known_is_an_empty_picture(tmp_path: Path) -> None:
    draw_learning_curves(TrainingMetadata(), tmp_path / "curves.png")
    assert matplotlib.image.imread(tmp_path / "curves.png").size > 0
