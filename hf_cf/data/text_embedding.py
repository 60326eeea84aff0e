"""The text of a catalogue as numbers: what a static model says of it, along its main axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from hf_cf.data.features import TEXT
from hf_cf.errors import InvalidArgument

MOST_AXES = 32
"""Numbers that stand for a text, at most."""


@dataclass(frozen=True, eq=False)
class TextEmbedding:
    """Texts of items as features: ``(embedding - centre) @ axes``.

    The embedding is model2vec's: the mean of the vectors of a text's tokens. Of a catalogue's
    embeddings the principal axes are kept, and scaled by one number, so that the mean square of a
    feature vector's length is 1.

    Attributes
    ----------
    columns : tuple of str
        Columns of the catalogue, joined in this order.
    model : str
        Folder or repository of the static model, as it was given.
    centre : float32 array, shape (d,)
        Mean of the catalogue's embeddings.
    axes : float32 array, shape (d, k)
    """

    columns: tuple[str, ...]
    model: str
    centre: npt.NDArray[np.float32]
    axes: npt.NDArray[np.float32]

    @classmethod
    def fit(
        cls, table: pd.DataFrame, columns: Sequence[str], model: str | Path
    ) -> tuple[Self, pd.DataFrame]:
        """Embed the text of a catalogue; what `added_to` gives of it comes with it.

        Raises
        ------
        ModuleNotFoundError
            model2vec is not installed.
        InvalidArgument
            The catalogue has no such column, the model cannot be loaded, or knows no word of the
            text.
        """
        if TEXT in table:
            raise InvalidArgument(f"text: rename the catalogue's column {TEXT!r}; text goes there")
        for name in columns:
            if name not in table:
                there = ", ".join(map(str, table))
                raise InvalidArgument(f"text: the catalogue has no column {name!r}; it has {there}")
        raw = _embedded(_texts(table, columns), str(model))
        known = raw[raw.any(1)].astype(np.float64)
        if not len(known):
            raise InvalidArgument(
                f"text: the text model {str(model)!r} knows no word of {', '.join(columns)}"
            )
        centre = known.mean(0)
        values, axes = np.linalg.eigh((known - centre).T @ (known - centre) / len(known))
        kept = [at for at in np.argsort(-values)[:MOST_AXES] if values[at] > 1e-9 * values.sum()]
        scale = values[kept].sum() ** -0.5 if kept else 1.0
        found = cls(
            tuple(columns),
            str(model),
            centre.astype(np.float32),
            np.ascontiguousarray(axes[:, kept] * scale, np.float32),
        )
        return found, found._added(table, raw)

    def at(self, model: str | Path | None) -> Self:
        """Return the same, with the place where its static model is now; None if not moved."""
        return self if model is None else replace(self, model=str(model))

    def added_to(self, table: pd.DataFrame) -> pd.DataFrame:
        """Add the column `TEXT`, a float32 array in each row; None where there is no text.

        Parameters
        ----------
        table : DataFrame
            With those of `columns` that are known.

        Raises
        ------
        ModuleNotFoundError, InvalidArgument
            As in `fit`; or the model's vectors have another length.
        """
        texts = _texts(table, self.columns)
        if not any(texts):
            return table.assign(**{TEXT: None})
        raw = _embedded(texts, self.model)
        if raw.shape[1] != len(self.centre):
            raise InvalidArgument(
                f"the text model {self.model!r} gives {raw.shape[1]} numbers a text, and the model "
                f"was trained with {len(self.centre)}; give the one that it was trained with"
            )
        return self._added(table, raw)

    def _added(self, table: pd.DataFrame, raw: npt.NDArray[np.float32]) -> pd.DataFrame:
        vectors = (raw - self.centre) @ self.axes
        cells = [
            vector if known else None
            for vector, known in zip(vectors, np.any(raw, axis=1).tolist(), strict=True)
        ]
        return table.assign(**{TEXT: pd.Series(cells, table.index, dtype=object)})


def _texts(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """What the columns say of each row, in one text; empty where they say nothing."""
    texts = pd.Series("", table.index)
    for name in columns:
        if name not in table:
            continue
        values = table[name].astype(object)
        if name == "title":  # where an item has none, its id stands there
            values = values.mask(values == table["id"].astype(str))
        told = values.where(values.notna(), "").map(str)
        texts = texts + " " + told.str.replace("|", " ", regex=False)
    return texts.str.strip().tolist()


def _embedded(texts: list[str], name: str) -> npt.NDArray[np.float32]:
    """Embeddings of texts, (n, d); zeros where a model knows no word of one."""
    found = _static_model(name).encode(texts, use_multiprocessing=False)
    return np.asarray(found, np.float32)


def _static_model(name: str) -> Any:
    try:
        from model2vec import StaticModel
    except ModuleNotFoundError as error:
        if error.name != "model2vec":
            raise
        raise ModuleNotFoundError(
            "text= needs model2vec; get it with: pip install 'hf-cf[text]'", name="model2vec"
        ) from error
    try:
        return StaticModel.from_pretrained(name, force_download=False)
    except Exception as error:  # of a file that is no model, model2vec's parts raise anything
        said = str(error).strip().partition("\n")[0]
        raise InvalidArgument(
            f"the text model {name!r} cannot be loaded, neither as a folder nor from the Hugging "
            f"Face Hub: {said or type(error).__name__}"
        ) from error
