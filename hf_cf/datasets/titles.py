"""What a title tells: the year at its end, and which items are the same film."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hf_cf.ratings import Vocab

_YEAR = r"\((?P<year>\d{4})(?:\s*[-\x{2013}]\s*\d{0,4})?\)\s*(?:\([A-Z]{1,3}\))?\s*$"
"""``(1995)`` at the end, also ``(2006-2007)``, and before a numeral: ``(1995) (V)``."""


def year_of_title(titles: pa.ChunkedArray) -> pa.ChunkedArray:
    """The year in brackets that ends each title, int32; null where there is none."""
    years = pc.struct_field(pc.extract_regex(titles, _YEAR), "year")
    return pc.cast(years, pa.int32())


def merge_by_title(
    items: npt.NDArray[Any] | pd.Categorical[Any], catalogue: pd.DataFrame
) -> tuple[pd.Categorical[Any], pd.DataFrame]:
    """Items by title instead of id, and the catalogue with one row a title, its id the title.

    Parameters
    ----------
    items : array or Categorical, shape (n,)
        The raw item id of each rating.
    catalogue : DataFrame
        A column ``id`` and a column ``title``.

    Returns
    -------
    titles : Categorical, shape (n,)
        The title of each rating's item; an id that the catalogue does not have is its own title.
    catalogue : DataFrame
        The first row of each title.
    """
    vocab, codes = Vocab.build(items)
    known = catalogue.drop_duplicates("id").set_index("id")["title"]
    titles = known.reindex(pd.Index(vocab.ids)).astype(object)
    titles = titles.where(titles.notna(), titles.index.astype(str).astype(object))
    title_codes, distinct = pd.factorize(titles.to_numpy(dtype=object), sort=True)
    # By way of the few items: factorizing the title of each rating would take seconds for 25M.
    merged = pd.Categorical.from_codes(
        title_codes.astype(np.int32)[codes - 1], categories=pd.Index(distinct, dtype=object)
    )
    first = catalogue.drop_duplicates("title")
    return merged, first.assign(id=first["title"])
