"""The table that every part of hf_cf passes on: who rated what, and how."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from hf_cf.data.catalogue_columns import checked_columns
from hf_cf.data.frames import as_frame, read_frame
from hf_cf.data.guesses import Feedback
from hf_cf.data.scale import DataSource, RatingScale, Stars
from hf_cf.data.times import NO_TIME, Timestamps
from hf_cf.data.vocab import Codes, Vocab
from hf_cf.errors import DataFormatError


@dataclass(frozen=True, eq=False, repr=False)
class Ratings:
    """Ratings in columns, with the vocabularies and the catalogue that give them meaning.

    Attributes
    ----------
    user_codes, item_codes : int32 array, shape (n,)
        Codes of user and item; 0 is ``#na#``, an id outside the vocabulary.
    stars : float32 array, shape (n,)
        The ratings, in units of `scale`; of implicit feedback the strengths of interactions, such
        as numbers of plays, 1 for a like.
    users, items : Vocab
        Raw ids and their codes.
    catalogue : DataFrame
        One row an item in code order (its index is the code): ``id``, ``title``, ``year``,
        ``genres`` (joined by ``|``), and whatever else the source has, such as links.
    timestamps : int64 array, shape (n,), optional
        Seconds since 1970; `hf_cf.data.times.NO_TIME` where a rating has none.
    user_features : DataFrame, optional
        One row a user in code order (its index is the code): ``id`` and features.
    scale : RatingScale
        The values that a rating can take.
    source : DataSource
        Name, licence and citation of the data.
    feedback : {"explicit", "implicit"}
        Whether `stars` are ratings that people gave, or strengths of interactions.
    """

    user_codes: Codes
    item_codes: Codes
    stars: Stars
    users: Vocab
    items: Vocab
    catalogue: pd.DataFrame
    timestamps: Timestamps | None = None
    user_features: pd.DataFrame | None = None
    scale: RatingScale = field(default_factory=lambda: RatingScale(1, 5, 1))
    source: DataSource = field(default_factory=DataSource)
    feedback: Feedback = "explicit"

    @classmethod
    def from_frame(
        cls,
        df: Any,
        items: Any = None,
        users: Any = None,
        *,
        scale: RatingScale | Sequence[float] | None = None,
        source: DataSource | None = None,
        feedback: Feedback | None = None,
        missing: float | None = None,
    ) -> Ratings:
        """Ratings from a table with the columns ``user``, ``item`` [, ``rating``, ``timestamp``].

        Parameters
        ----------
        df : table
            One row a rating, raw ids: a pandas or polars DataFrame, a pyarrow Table, a ``Dataset``
            of Hugging Face, a dict of columns, or a scipy sparse matrix of users by items.
        items : table, optional
            The catalogue: a column ``id``, and where known ``title``, ``year``, ``genres``, others.
        users : table, optional
            User features: a column ``id`` and one column a feature.
        scale : RatingScale or (low, high) or (low, high, step), optional
            The rating scale; guessed from the ratings where not given, see `hf_cf.data.guesses`.
        source : DataSource, optional
            Name and licence of the data.
        feedback : {"explicit", "implicit"}, optional
            Whether ratings are stars, or strengths of interactions such as plays or purchases;
            guessed where not given. Without a column ``rating`` each row is one like.
        missing : float, optional
            A rating that means that there is none, such as 0 or 99; those rows are left out.

        Raises
        ------
        DataFormatError
            A column is missing or stands twice, a value is missing, a rating is not a finite
            number or outside the scale, or the table is none that can be read.
        """
        read = read_frame(df, scale=scale, feedback=feedback, missing=missing)
        return cls.assemble(
            read.users,
            read.items,
            read.stars,
            read.timestamps,
            scale=read.scale,
            feedback=read.feedback,
            catalogue=None if items is None else as_frame(items, "items"),
            user_features=None if users is None else as_frame(users, "users"),
            source=source,
        )

    @classmethod
    def assemble(
        cls,
        users: npt.NDArray[Any] | pd.Categorical[Any],
        items: npt.NDArray[Any] | pd.Categorical[Any],
        stars: Stars,
        timestamps: Timestamps | None = None,
        *,
        scale: RatingScale,
        catalogue: pd.DataFrame | None = None,
        user_features: pd.DataFrame | None = None,
        source: DataSource | None = None,
        feedback: Feedback = "explicit",
    ) -> Ratings:
        """Ratings from checked columns of raw ids: builds the vocabularies, joins duplicates.

        Of a user's ratings of one item the latest stays; strengths of interactions add up. The
        catalogue is cut to the items that were rated and put into code order; an item that it does
        not have keeps its id for a title.
        """
        user_vocab, user_codes = Vocab.build(users)
        item_vocab, item_codes = Vocab.build(items)
        del users, items  # a third of the memory, where the caller has let go of them
        keep = _latest_of_duplicates(user_codes, item_codes, len(item_vocab), timestamps)
        if keep is not None:
            # Every item keeps a rating, because one rating of each pair stays.
            if feedback == "implicit":
                stars = _sums(user_codes, item_codes, len(item_vocab), stars, keep)
            else:
                dropped = len(stars) - len(keep)
                warnings.warn(
                    f"{dropped:,} rating{'s' * (dropped > 1)} dropped: the user had rated the "
                    "same item more than once, and the latest rating was kept",
                    stacklevel=3,
                )
                stars = stars[keep]
            user_codes, item_codes = user_codes[keep], item_codes[keep]
            timestamps = None if timestamps is None else timestamps[keep]
        return cls(
            user_codes=user_codes,
            item_codes=item_codes,
            stars=stars,
            timestamps=timestamps,
            users=user_vocab,
            items=item_vocab,
            catalogue=in_code_order(catalogue, item_vocab, default_title=True),
            user_features=None
            if user_features is None
            else in_code_order(user_features, user_vocab, default_title=False),
            scale=scale,
            source=source or DataSource(),
            feedback=feedback,
        )

    def __len__(self) -> int:
        return len(self.stars)

    def __repr__(self) -> str:
        kind, scale = "interactions", ""
        if self.feedback == "explicit":
            kind, scale = "ratings", f", {self.scale.min:g} to {self.scale.max:g}"
        return (
            f"Ratings({self.source.name}: {len(self):,} {kind} of {len(self.items) - 1:,} items "
            f"by {len(self.users) - 1:,} users{scale})"
        )

    def to_frame(self) -> pd.DataFrame:
        """Ratings as a table with raw ids: ``user``, ``item``, ``rating`` [, ``timestamp``]."""
        columns: dict[str, Any] = {
            "user": self.users.decode(self.user_codes),
            "item": self.items.decode(self.item_codes),
            "rating": self.stars,
        }
        if self.timestamps is not None:
            times = pd.Series(self.timestamps)
            has_gaps = bool((self.timestamps == NO_TIME).any())
            columns["timestamp"] = (
                times.astype("Int64").mask(times == NO_TIME) if has_gaps else times
            )
        return pd.DataFrame(columns)

    def item_counts(self) -> npt.NDArray[np.int64]:
        """Number of ratings of each item, shape (len(items),), in code order with ``#na#``."""
        return np.bincount(self.item_codes, minlength=len(self.items))

    def user_counts(self) -> npt.NDArray[np.int64]:
        """Number of ratings by each user, shape (len(users),), in code order with ``#na#``."""
        return np.bincount(self.user_codes, minlength=len(self.users))

    def take(self, rows: npt.NDArray[Any]) -> Ratings:
        """The ratings of some rows (positions or a mask), with the same vocabularies."""
        return replace(
            self,
            user_codes=self.user_codes[rows],
            item_codes=self.item_codes[rows],
            stars=self.stars[rows],
            timestamps=None if self.timestamps is None else self.timestamps[rows],
        )

    def recode(self, users: Vocab, items: Vocab) -> Ratings:
        """The same ratings with other vocabularies; ids that those do not have get code 0."""

        def translate(codes: Codes, ours: Vocab, theirs: Vocab) -> Codes:
            table = np.concatenate([np.zeros(1, np.int32), theirs.encode(ours.ids)])
            return table[codes]

        features = self.user_features
        return replace(
            self,
            user_codes=translate(self.user_codes, self.users, users),
            item_codes=translate(self.item_codes, self.items, items),
            users=users,
            items=items,
            catalogue=in_code_order(self.catalogue, items, default_title=True),
            user_features=None
            if features is None
            else in_code_order(features, users, default_title=False),
        )

    def split(
        self,
        valid_pct: float = 0.2,
        seed: int = 42,
        by: Literal["random", "time", "last", "user"] = "random",
    ) -> tuple[Ratings, Ratings]:
        """Split into training and validation ratings that share their vocabularies.

        Parameters
        ----------
        valid_pct : float
            Share that is held out, between 0 and 1, both excluded.
        seed : int
            Seed of the draw; the same seed gives the same split.
        by : {"random", "time", "last", "user"}
            ``"random"`` draws ratings; ``"time"`` holds out the last share of each user's ratings
            (at least one rating of each user stays), ``"last"`` the last one, whatever
            `valid_pct`; ``"user"`` holds out all ratings of a share of the users.

        Returns
        -------
        train, valid : Ratings
        """
        if not 0 < valid_pct < 1:
            raise ValueError(f"valid_pct is {valid_pct}; it must lie between 0 and 1")
        if by not in _SPLITS:
            raise ValueError(f"by={by!r} is not a split; choose from {', '.join(_SPLITS)}")
        held_out = _SPLITS[by](self, valid_pct, np.random.default_rng(seed))
        if held_out.all() or not held_out.any():
            raise ValueError(
                f"{len(self)} ratings are too few to hold out a share of {valid_pct} by {by}"
            )
        return self.take(~held_out), self.take(held_out)

    def crosstab(self, users: int = 15, items: int = 15) -> pd.DataFrame:
        """Ratings of the most active users (rows) for the most rated items (columns, by title).

        Returns
        -------
        DataFrame
            Stars, NaN where there is no rating. Its index holds raw user ids, its columns titles.
        """
        top_users = _most(self.user_counts(), users)
        top_items = _most(self.item_counts(), items)
        rows = np.isin(self.user_codes, top_users) & np.isin(self.item_codes, top_items)
        table = pd.DataFrame(
            {
                "user": self.user_codes[rows],
                "item": self.item_codes[rows],
                "stars": self.stars[rows],
            }
        ).pivot(index="user", columns="item", values="stars")
        table = table.reindex(index=top_users, columns=top_items)
        table.index = pd.Index(self.users.decode(top_users), name="user")
        table.columns = pd.Index(self.catalogue["title"].reindex(top_items), name="item")
        return table


def _most(counts: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    order = np.argsort(-counts[1:], kind="stable") + 1
    return order[: min(n, int((counts[1:] > 0).sum()))]


def _latest_of_duplicates(
    users: Codes, items: Codes, n_items: int, timestamps: Timestamps | None
) -> npt.NDArray[np.int64] | None:
    """Rows to keep so that each (user, item) stands once; None where all can stay."""
    pairs = _pairs(users, items, n_items)
    if (pairs[1:] > pairs[:-1]).all():
        return None
    pairs.sort()  # in place: at 25 million ratings a copy takes 200 MB
    again = pairs[1:] == pairs[:-1]
    if not again.any():
        return None
    # Only the repeated pairs are sorted by time: they are few, and sorting all takes seconds.
    repeated = pairs[1:][again]
    pairs = _pairs(users, items, n_items)
    suspects = np.flatnonzero(np.isin(pairs, repeated))
    pairs = pairs[suspects]
    times = suspects if timestamps is None else timestamps[suspects]
    order = np.lexsort((suspects, times, pairs))
    last = np.append(pairs[order][1:] != pairs[order][:-1], True)
    keep = np.ones(len(users), dtype=bool)
    keep[suspects] = False
    keep[suspects[order[last]]] = True
    return np.flatnonzero(keep)


def _pairs(users: Codes, items: Codes, n_items: int) -> npt.NDArray[np.int64]:
    """One number for each pair of a user and an item, in the order of users, then items."""
    pairs = users.astype(np.int64)
    pairs *= n_items
    pairs += items
    return pairs


def _sums(
    users: Codes,
    items: Codes,
    n_items: int,
    strengths: Stars,
    keep: npt.NDArray[np.int64],
) -> Stars:
    """Sums of the strengths of each (user, item), in the order of the rows to keep."""
    pairs = _pairs(users, items, n_items)
    distinct, group = np.unique(pairs, return_inverse=True)
    sums = np.bincount(group, strengths)
    return sums[np.searchsorted(distinct, pairs[keep])].astype(np.float32)


def in_code_order(table: pd.DataFrame | None, vocab: Vocab, *, default_title: bool) -> pd.DataFrame:
    """Cut a table with a column ``id`` to a vocabulary, one row a code, which is its index.

    Of an id that stands twice the first row counts. Where `default_title` is set, there is a
    column ``title``, with the id where no title is known.
    """
    index = pd.RangeIndex(1, len(vocab), name="code")
    if table is None:
        table = pd.DataFrame({"id": vocab.ids})
    if "id" not in table.columns:
        raise DataFormatError("a catalogue or a table of users needs this column", column="id")
    if default_title:
        table = checked_columns(table)
    codes = vocab.encode(table["id"])
    row_of = np.full(len(vocab), -1)
    # Of an id that stands twice the first row counts, so the rows go in backwards.
    row_of[codes[::-1]] = np.arange(len(table) - 1, -1, -1)
    row_of = row_of[1:]
    if (row_of >= 0).all():
        ordered = table.take(row_of).set_axis(index)
    else:
        known = row_of >= 0
        ordered = table.take(row_of[known]).set_axis(index[known]).reindex(index)
    columns: dict[Any, Any] = {"id": vocab.ids}
    if default_title:
        columns["title"] = _titles(ordered, vocab)
        columns |= {name: ordered[name] for name in ("year", "genres") if name in ordered}
    columns |= {name: ordered[name] for name in ordered if name not in columns}
    return pd.DataFrame(columns, index=index)


def _titles(ordered: pd.DataFrame, vocab: Vocab) -> pd.Series:
    """The titles of a catalogue; the id where there is none."""
    ids = pd.Series(vocab.ids, index=ordered.index)
    if "title" not in ordered:
        return ids.astype(str)
    return ordered["title"].fillna(ids.astype(str)).astype("str")


def _random_rows(ratings: Ratings, share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    held_out = np.zeros(len(ratings), dtype=bool)
    held_out[rng.permutation(len(ratings))[: int(share * len(ratings))]] = True
    return held_out


def _last_share(ratings: Ratings, share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    return _later(ratings, np.ceil((1 - share) * ratings.user_counts()).astype(np.int64))


def _last_one(ratings: Ratings, share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    return _later(ratings, ratings.user_counts() - 1)


def _later(ratings: Ratings, n_first: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """All but the first ratings of each user, who keeps at least one."""
    if ratings.timestamps is None:
        raise ValueError("these ratings have no timestamps, so they cannot be split by time")
    order = np.lexsort((np.arange(len(ratings)), ratings.timestamps, ratings.user_codes))
    counts = ratings.user_counts()
    starts = np.cumsum(counts) - counts
    users = ratings.user_codes[order]
    position = np.arange(len(ratings)) - starts[users]
    held_out = np.zeros(len(ratings), dtype=bool)
    held_out[order] = position >= np.maximum(1, n_first)[users]
    return held_out


def _some_users(ratings: Ratings, share: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    users = np.flatnonzero(ratings.user_counts())
    return np.isin(ratings.user_codes, rng.permutation(users)[: round(share * len(users))])


_SPLITS = {
    "random": _random_rows, "time": _last_share, "last": _last_one, "user": _some_users,
}  # fmt: skip
