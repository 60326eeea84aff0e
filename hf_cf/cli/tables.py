"""Answers on the terminal: a readable table, or JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from rich.table import Table


def show(table: pd.DataFrame, title: str | None = None, *, as_json: bool = False) -> None:
    """Print a table, or JSON."""
    if as_json:
        print(table.to_json(orient="records", force_ascii=False))
        return
    from rich.console import Console

    Console().print(draw(table, title))


def draw(table: pd.DataFrame, title: str | None = None) -> Table:
    """Lay a table out for the terminal; numbers to the right, fractions with two digits."""
    from rich.table import Table
    from rich.text import Text

    if "title" in table and (table["item"].astype(str) == table["title"]).all():
        table = table.drop(columns="item")
    drawn = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for name in table.columns:
        numeric = pd.api.types.is_numeric_dtype(table[name])
        drawn.add_column(str(name), justify="right" if numeric else "left")
    for row in table.itertuples(index=False):
        drawn.add_row(*(Text(_cell(value)) for value in row))
    return drawn


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)
