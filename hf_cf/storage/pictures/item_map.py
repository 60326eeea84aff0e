"""The picture of a model's items: like items are near each other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import patheffects
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hf_cf.inference.item_tables import item_map
from hf_cf.inference.trained_model import TrainedModel

_INK, _FAINT, _OTHER = "#212529", "#868e96", "#ced4da"
_COLOURS = (
    "#1c7ed6", "#e8590c", "#2b8a3e", "#ae3ec9", "#f2a100", "#c92a2a", "#0c8599", "#7048e8",
)  # fmt: skip
_ITEMS, _LABELS = 400, 70
_ARTICLES = ("The", "A", "An", "Les", "La", "Le", "L'", "Das", "Der", "Die", "Il", "El")

Points = npt.NDArray[np.float64]


def draw_item_map(model: TrainedModel, path: Path) -> None:
    """Draw the most rated items on two components of their factors as a PNG.

    Size is the number of ratings, colour the genre where genres are known. As many titles are
    written as fit without covering each other, the most rated first.
    """
    table = item_map(model, 2, most_rated=_ITEMS)
    if "x2" not in table:
        table["x2"] = 0.0
    name = model.scorer.rating.model.name
    figure = Figure(figsize=(10, 7.6), dpi=160, facecolor="white")
    FigureCanvasAgg(figure)  # knows how wide a text comes out
    axes = figure.add_axes((0.02, 0.09, 0.96, 0.80))
    # Ranks pull the crowded middle apart a little, and far outliers in.
    places = np.stack([_spread(table[name].to_numpy(np.float64)) for name in ("x1", "x2")], 1)
    areas = 12 + 150 * table["n_ratings"].to_numpy() / max(1, table["n_ratings"].max())
    colours, legend = _colours(model, table)
    axes.scatter(
        places[:, 0],
        places[:, 1],
        s=areas,
        c=colours,
        alpha=0.75,
        linewidths=0.6,
        edgecolors="white",
    )
    axes.margins(0.05)
    axes.axis("off")
    _write_titles(axes, places, np.sqrt(areas) / 2, [_short(t) for t in table["title"]])
    figure.text(
        0.03, 0.955, f"The {len(table)} most rated titles: like ones are near each other",
        fontsize=15, fontweight="bold", color=_INK,
    )  # fmt: skip
    figure.text(
        0.03, 0.918,
        f"Two principal components of the item factors of {name}, trained on "
        f"{model.source.name}{' (synthetic ratings)' if model.source.synthetic else ''}. "
        "Size: number of ratings.",
        fontsize=9.5, color=_FAINT,
    )  # fmt: skip
    _write_legend(figure, legend)
    figure.savefig(path, format="png")


def _spread(values: Points) -> Points:
    ranks = values.argsort(kind="stable").argsort(kind="stable") / max(1, len(values) - 1)
    span = np.ptp(values) or 1.0
    return 0.5 * ranks + 0.5 * (values - values.min()) / span


def _colours(model: TrainedModel, table: pd.DataFrame) -> tuple[list[str], dict[str, str]]:
    """A colour for each item, by the most telling of its genres, and what the colours mean."""
    catalogue = model.catalogue.table
    if "genres" not in catalogue:
        return [_COLOURS[0]] * len(table), {}
    rows = model.items.encode(table["item"]) - 1
    genres = [str(text).split("|") for text in catalogue["genres"].fillna("").iloc[rows]]
    counts = Counter(name for names in genres for name in names if name)
    shown = [name for name, _ in counts.most_common(len(_COLOURS))]
    colour_of = dict(zip(shown, _COLOURS, strict=False))
    # Of a film's genres, the rarest says most about it.
    telling = [
        min((n for n in names if n in colour_of), key=lambda n: counts[n], default="")
        for names in genres
    ]
    used = {name: colour_of[name] for name in shown if name in telling}
    if "" in telling:
        used["other"] = _OTHER
    return [colour_of.get(name, _OTHER) for name in telling], used


def _short(title: str) -> str:
    """Write a title as it is said: without its year, the article in front."""
    name = title.rsplit(" (", 1)[0] if title.endswith(")") else title
    head, comma, last = name.rpartition(", ")
    if comma and last in _ARTICLES:
        name = f"{last} {head}"
    return name if len(name) <= 32 else f"{name[:30].rstrip()}…"


def _write_titles(axes: Any, places: Points, radii: Points, titles: list[str]) -> None:
    figure = axes.figure
    renderer, scale = figure.canvas.get_renderer(), figure.dpi / 72
    points, radii = axes.transData.transform(places), radii * scale
    frame = axes.get_window_extent(renderer)
    taken = np.zeros((0, 4))
    written = 0
    for row, title in enumerate(titles):
        text = axes.text(
            0, 0, title, fontsize=7.8, color=_INK, transform=None, parse_math=False,
            path_effects=[patheffects.withStroke(linewidth=2.2, foreground="white")],
        )  # fmt: skip
        box = text.get_window_extent(renderer)
        spot = _free_spot(points, radii, row, (box.width, box.height), taken, frame, scale)
        if spot is None:
            text.remove()
            continue
        # Text stands on its baseline, a little above the foot of its box.
        text.set_position((spot[0] - box.x0, spot[1] - box.y0))
        taken = np.vstack([taken, spot])
        written += 1
        if written == _LABELS:
            break


def _free_spot(
    points: Points, radii: Points, row: int, size: tuple[float, float], taken: Points,
    frame: Any, scale: float,
) -> Points | None:  # fmt: skip
    """Left, bottom, right, top of a place for a label beside its point; None if there is none."""
    (x, y), (width, height), gap = points[row], size, radii[row] + 1.5 * scale
    middle_x, middle_y = x - width / 2, y - height / 2
    corners = (
        (x + gap, middle_y), (x - gap - width, middle_y), (middle_x, y + gap),
        (middle_x, y - gap - height), (x + 0.7 * gap, y + 0.7 * gap),
        (x + 0.7 * gap, y - 0.7 * gap - height), (x - 0.7 * gap - width, y + 0.7 * gap),
        (x - 0.7 * gap - width, y - 0.7 * gap - height),
    )  # fmt: skip
    others = np.arange(len(points)) != row
    for left, bottom in corners:
        box = np.array([left, bottom, left + width, bottom + height])
        outside = box[0] < frame.x0 or box[1] < frame.y0 or box[2] > frame.x1 or box[3] > frame.y1
        if outside or _overlaps(box, taken, 1.5 * scale):
            continue
        nearest = np.clip(points, box[:2], box[2:])
        covered = ((nearest - points) ** 2).sum(1) < (radii * 0.9) ** 2
        if not (covered & others).any():
            return box
    return None


def _overlaps(box: Points, taken: Points, margin: float) -> bool:
    apart = (
        (taken[:, 0] > box[2] + margin) | (taken[:, 2] < box[0] - margin)
        | (taken[:, 1] > box[3] + margin) | (taken[:, 3] < box[1] - margin)
    )  # fmt: skip
    return bool((~apart).any())


def _write_legend(figure: Figure, meaning: dict[str, str]) -> None:
    x = 0.035
    for name, colour in meaning.items():
        figure.text(x, 0.035, "●", color=colour, fontsize=11, va="center")
        figure.text(x + 0.018, 0.036, name, color=_INK, fontsize=9.5, va="center")
        x += 0.018 + 0.0105 * len(name) + 0.022
