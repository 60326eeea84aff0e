"""The picture of cold-start users: errors and rankings by the number of ratings they gave."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from hf_cf.inference.metadata import BIASES, ITEM_MEAN, MODEL, MOST_POPULAR, RETRAINED, WITH_PROFILE

COLOURS: Mapping[str, str] = {
    MODEL: "#d9480f", WITH_PROFILE: "#f08c00", RETRAINED: "#e8590c",
    ITEM_MEAN: "#adb5bd", BIASES: "#495057", MOST_POPULAR: "#495057",
}  # fmt: skip
_OTHERS = ("#7048e8", "#0b7285", "#2b8a3e", "#a61e4d")


def draw_cold_start(
    tables: Mapping[str, pd.DataFrame], path: Path, *, colours: Mapping[str, str] = COLOURS
) -> None:
    """Draw rating error and nDCG by the number of ratings given, one column a data set, as a PNG.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``ColdStart.table`` by the name of the data; of several rows of a point the mean is drawn.
    path : Path
        Where the picture goes.
    colours : mapping of str to str
        Of systems by name; others get one that is left.
    """
    figure = Figure(figsize=(5.2 * len(tables), 8), layout="constrained", dpi=110)
    axes = figure.subplots(2, len(tables), squeeze=False)
    for column, (name, table) in enumerate(tables.items()):
        place = {given: at for at, given in enumerate(sorted(table["given"].unique()))}
        left = cycle(_OTHERS)
        of = {s: colours[s] if s in colours else next(left) for s in table["system"].unique()}
        for row, metric in enumerate(("rmse", "ndcg")):
            panel, own = axes[row, column], table.dropna(subset=[metric])
            for system in own["system"].unique():
                mean = own[own["system"] == system].groupby("given")[metric].mean()
                again = system.endswith(RETRAINED)
                panel.plot(
                    [place[given] for given in mean.index], mean.to_numpy(),
                    "x" if again else "o-", color=of[system], label=system,
                    linewidth=2, markersize=7 if again else 4,
                )  # fmt: skip
            panel.set_xticks(list(place.values()), [str(given) for given in place])
            panel.set(
                xlabel="ratings given",
                ylabel="RMSE (stars)" if metric == "rmse" else "nDCG",
                title=name,
            )
            panel.spines[["top", "right"]].set_visible(False)
            panel.grid(axis="y", color="#e9ecef")
            if len(own):
                panel.legend(frameon=False, fontsize=8)
    figure.savefig(path, format="png")
