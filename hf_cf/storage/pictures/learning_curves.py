"""The picture of a training run."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hf_cf.inference.metadata import TrainingMetadata

_TRAIN, _VALID, _INK = "#8a94a6", "#d9480f", "#212529"


def draw_learning_curves(metadata: TrainingMetadata, path: Path) -> None:
    """Draw training and validation loss by epoch as a PNG; the kept epoch is marked."""
    figure = Figure(figsize=(7, 4.2), layout="constrained", dpi=144)
    axes = figure.add_subplot()
    curves = {"train_loss": ("training", _TRAIN), "valid_loss": ("validation", _VALID)}
    for name, (label, colour) in curves.items():
        known = [epoch for epoch in metadata.epochs if name in epoch]
        epochs, losses = [epoch["epoch"] for epoch in known], [epoch[name] for epoch in known]
        if losses:
            axes.plot(epochs, losses, "o-", color=colour, linewidth=2, markersize=4)
            axes.annotate(
                f"{label} {losses[-1]:.3f}", (epochs[-1], losses[-1]), (8, 0),
                textcoords="offset points", color=colour, va="center", fontweight="bold",
            )  # fmt: skip
    best = metadata.metrics.get("best_epoch")
    if best is not None:
        axes.axvline(best, color=_INK, linewidth=1, linestyle=":")
        axes.annotate(
            "kept", (best, 1), (0, 4), xycoords=("data", "axes fraction"), color=_INK,
            textcoords="offset points", ha="center",
        )  # fmt: skip
    axes.set(xlabel="epoch", ylabel="loss")
    axes.set_title(
        f"{metadata.settings.get('model', '')}: loss by epoch",
        loc="left",
        fontweight="bold",
        pad=12,
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
    else:
        axes.margins(x=0.05)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e9ecef")
    figure.savefig(path, format="png")
