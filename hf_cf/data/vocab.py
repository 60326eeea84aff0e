"""Raw ids and their codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

NA = "#na#"
"""The raw id of code 0 in every vocabulary, as in fastai's ``CategoryMap``."""

Codes = npt.NDArray[np.int32]

_INTEGER = re.compile(r"0|-?[1-9]\d{0,18}")
_AT_ONCE = 2**20
_EXACT = 2**53  # beyond it not every integer is a float64


class Vocab:
    """Raw ids and their codes. Code 0 is ``#na#``: an id that the vocabulary does not have.

    Parameters
    ----------
    ids : array_like, shape (n,)
        The raw ids in code order: ``ids[0]`` has code 1. Unique, none missing; integers or text.

    Examples
    --------
    >>> vocab = Vocab([10, 20])
    >>> vocab.encode([20, 99, "10"])
    array([2, 0, 1], dtype=int32)
    >>> len(vocab)
    3
    """

    def __init__(self, ids: Any) -> None:
        index = _as_ids(ids)
        if not index.is_unique:
            repeated = index[index.duplicated()][0]
            raise ValueError(f"the id {repeated!r} stands twice in a vocabulary")
        self._index = index

    @property
    def ids(self) -> npt.NDArray[Any]:
        """The raw ids in code order, without ``#na#``, shape (n,): int64 or text."""
        return np.asarray(self._index)

    @property
    def is_integer(self) -> bool:
        """Whether the raw ids are integers."""
        return bool(pd.api.types.is_integer_dtype(self._index.dtype))

    def __len__(self) -> int:
        """Number of codes, ``#na#`` included: the rows of an embedding table."""
        return len(self._index) + 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocab) and self._index.equals(other._index)

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, raw: object) -> bool:
        return bool(self.encode([raw])[0])

    def __repr__(self) -> str:
        return f"Vocab({len(self._index)} ids)"

    def encode(self, raw: Iterable[Any]) -> Codes:
        """Codes of raw ids, int32, shape (n,); 0 where the vocabulary does not have the id.

        Text that spells an integer as it is usually written finds an integer id, and an integer
        finds the text of it; ``"007"``, ``" 1 "``, ``"1e0"`` and ``True`` are no integers.
        """
        values = pd.Index(raw if isinstance(raw, (np.ndarray, pd.Index, pd.Series)) else list(raw))
        if self.is_integer and not pd.api.types.is_signed_integer_dtype(values.dtype):
            return self._codes_of([_integer(value) for value in values.tolist()])
        if not self.is_integer:
            values = pd.Index([str(value) for value in values.tolist()], dtype=object)
        return (self._index.get_indexer(values) + 1).astype(np.int32)

    def _codes_of(self, integers: list[int | None]) -> Codes:
        """Codes of integer ids, (n,); 0 for None."""
        known = np.array([value is not None for value in integers], bool)
        codes = np.zeros(len(integers), np.int32)
        values = np.array([value for value in integers if value is not None], np.int64)
        codes[known] = self._index.get_indexer(pd.Index(values)) + 1
        return codes

    def decode(self, codes: npt.ArrayLike) -> npt.NDArray[Any]:
        """Raw ids of codes, same shape; ``#na#`` for code 0."""
        codes = np.asarray(codes)
        if codes.size and codes.min() > 0:
            return self.ids[codes - 1]
        return np.concatenate([np.array([NA], dtype=object), self.ids.astype(object)])[codes]

    @classmethod
    def build(cls, raw: npt.NDArray[Any] | pd.Categorical[Any]) -> tuple[Vocab, Codes]:
        """Vocabulary of the distinct values, sorted as fastai does, and the codes of `raw`.

        Of a Categorical only the categories are looked at; those that are not used are dropped.
        """
        if isinstance(raw, pd.Categorical):
            used = np.bincount(raw.codes, minlength=len(raw.categories)) > 0
            vocab, codes_of_used = cls.build(np.asarray(raw.categories)[used])
            codes_of_all = np.zeros(len(used), dtype=np.int32)
            codes_of_all[used] = codes_of_used
            return vocab, looked_up(codes_of_all, raw.codes)
        if np.issubdtype(raw.dtype, np.signedinteger) and len(raw) and raw.min() >= 0:
            span = int(raw.max()) + 1
            if span <= 4 * len(raw) + 1_000_000:
                present = np.zeros(span, dtype=bool)
                for part in _parts(len(raw)):
                    present[raw[part]] = True
                code_of = np.cumsum(present, dtype=np.int32)
                return cls(np.flatnonzero(present)), looked_up(code_of, raw)
        codes, distinct = pd.factorize(raw)
        codes_of_distinct, sorted_ids = pd.factorize(_as_ids(distinct), sort=True)
        return cls(sorted_ids), (codes_of_distinct + 1).astype(np.int32)[codes]


def looked_up(table: npt.NDArray[Any], places: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``table[places]``, (n,), with less memory: numpy makes 8 bytes of each place at once."""
    found = np.empty(len(places), table.dtype)
    for part in _parts(len(places)):
        found[part] = table[places[part]]
    return found


def _parts(n: int) -> Iterator[slice]:
    """Slices that cover n places."""
    return (slice(start, start + _AT_ONCE) for start in range(0, n, _AT_ONCE))


def _as_ids(values: Any) -> pd.Index:
    """Ids in their one form: int64 where all are integers that fit it, otherwise text as written.

    Numbers such as 3.0 are integers, as where a column once had gaps; text never is.
    """
    index = pd.Index(values).infer_objects()
    kind = index.dtype
    if pd.api.types.is_float_dtype(kind) and np.array_equal(index, np.rint(index)):
        if np.abs(index.to_numpy(np.float64)).max(initial=0) <= _EXACT:
            return index.astype(np.int64)
    elif pd.api.types.is_integer_dtype(kind) and (
        not len(index) or int(index.max()) <= np.iinfo(np.int64).max
    ):
        return index.astype(np.int64)
    return pd.Index([str(value) for value in index], dtype=object)


def _integer(value: Any) -> int | None:
    """The integer id that a value names; None where it names none."""
    if isinstance(value, str):
        found = int(value) if _INTEGER.fullmatch(value) else None
    elif isinstance(value, float):
        found = int(value) if value.is_integer() and abs(value) <= _EXACT else None
    else:
        found = value if isinstance(value, int) and not isinstance(value, bool) else None
    return found if found is None or -(2**63) <= found < 2**63 else None
