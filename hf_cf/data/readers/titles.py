"""What a title tells: the year at its end, and which items are the same film."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from hf_cf.data.ratings import Ratings

_YEAR = r"\((?P<year>\d{4})(?:\s*[-\x{2013}]\s*\d{0,4})?\)\s*(?:\([A-Z]{1,3}\))?\s*$"
"""``(1995)`` at the end, also ``(2006-2007)``, and before a numeral: ``(1995) (V)``."""


def year_of_title(titles: pa.ChunkedArray) -> pa.ChunkedArray:
    """The year in brackets that ends each title, int32; null where there is none."""
    years = pc.struct_field(pc.extract_regex(titles, _YEAR), "year")
    return pc.cast(years, pa.int32())


def distinct_titles(catalogue: pd.DataFrame) -> pd.Series[Any]:
    """Titles of a catalogue, followed by the year where items of one title have several years."""
    titles = catalogue["title"].astype(object)
    if "year" not in catalogue:
        return titles
    years = catalogue["year"].groupby(titles).transform("nunique")
    several = (years > 1).to_numpy() & catalogue["year"].notna().to_numpy()
    text, numbers = titles.where(titles.notna(), ""), catalogue["year"].astype("str")
    return titles.mask(several, text + " (" + numbers.astype(object) + ")")


def one_item_a_title(ratings: Ratings) -> Ratings:
    """The same ratings with the title for an item's id: the items that share one are merged.

    Two items of one title and different years are two: the year then stands behind the title. The
    catalogue keeps the first row of each title. Of a user's ratings for the same title the latest
    stays.
    """
    catalogue = ratings.catalogue.assign(title=distinct_titles(ratings.catalogue))
    codes, titles = pd.factorize(catalogue["title"].to_numpy(object), sort=True)
    title_codes = codes.astype(np.int32)
    first = catalogue.drop_duplicates("title")
    # Categoricals: collecting the title of each rating would take seconds and gigabytes for 25M.
    return Ratings.assemble(
        pd.Categorical.from_codes(ratings.user_codes - 1, pd.Index(ratings.users.ids)),
        pd.Categorical.from_codes(
            title_codes[ratings.item_codes - 1], pd.Index(titles, dtype=object)
        ),
        ratings.stars,
        ratings.timestamps,
        catalogue=first.assign(id=first["title"]),
        user_features=ratings.user_features,
        scale=ratings.scale,
        source=ratings.source,
        feedback=ratings.feedback,
    )
