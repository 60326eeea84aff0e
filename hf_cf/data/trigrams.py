"""Texts by the three-letter parts of their words: a few candidates among a million."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

_AT_ONCE = 100_000  # texts, so that what is computed in between stays small
_N_KINDS = 65_521  # of trigrams: the numbers fit into 16 bits, which numpy sorts fastest
_END = 10  # the code point of "\n"
_SPACE = 32
N_INITIALS = 8

Rows = npt.NDArray[np.int64]


class Trigrams:
    """Inverted lists of texts by trigrams, with the text's words set off by spaces.

    Of "up" they are ``" up"`` and ``"up "``; so a word that is misspelt, or typed to its half,
    still has some of them in common with the word that is meant.

    Parameters
    ----------
    texts : sequence of str
        Normalised: lower case, words apart by one space.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._n_texts = len(texts)
        counts = np.zeros(_N_KINDS, np.int64)
        for kinds, _ in _occurrences(texts):
            counts += np.bincount(kinds, minlength=_N_KINDS)
        self._ends = counts.cumsum()
        self._rows = np.empty(int(self._ends[-1]), np.int32)
        free = self._ends - counts
        self._sizes = np.zeros(len(texts), np.int32)
        for kinds, rows in _occurrences(texts):
            count = np.bincount(kinds, minlength=_N_KINDS)
            first = count.cumsum() - count
            self._rows[np.arange(len(kinds)) + (free - first)[kinds]] = rows
            free += count
            self._sizes += np.bincount(rows, minlength=len(texts)).astype(np.int32)

    def candidates(self, text: str, n: int, preference: npt.NDArray[np.float64]) -> Rows:
        """Rows of the n texts that have most in common with `text`.

        Parameters
        ----------
        text : str
            Normalised.
        n : int
            Most rows to return.
        preference : array, shape (n_texts,)
            From 0 to 1; it decides between texts that have as much in common.
        """
        if n >= self._n_texts:
            return np.arange(self._n_texts)
        kinds = np.concatenate([kinds for kinds, _ in _occurrences([text])])
        lists = [self._rows[(self._ends[k - 1] if k else 0) : self._ends[k]] for k in kinds]
        hits = np.bincount(np.concatenate(lists), minlength=self._n_texts)
        # A text that shares less than half as much as the best one is not what is meant.
        rows = np.flatnonzero(hits >= max(1, hits.max() // 2))
        shared = hits[rows] / np.maximum(self._sizes[rows], len(kinds))
        key = hits[rows] + 0.49 * shared + 0.5 * preference[rows]
        return rows[np.argpartition(-key, n)[:n]] if len(rows) > n else rows


def initials(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """The first letters of up to N_INITIALS words of each text, eight bits a letter, 0 for none.

    The first word's letter is in the lowest bits, so that a shift takes it away.
    """
    found = np.zeros((len(texts), N_INITIALS), np.uint8)
    for start, points in _code_points(texts):
        begins = np.flatnonzero((points[:-1] == _SPACE) & (points[1:] > _SPACE)) + 1
        rows = start + np.cumsum(points == _END)[begins]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        early = place < N_INITIALS
        found[rows[early], place[early]] = points[begins[early]] % 251 + 1
    return found.view("<u8")[:, 0]


def _code_points(texts: Sequence[str]) -> Iterator[tuple[int, npt.NDArray[np.uint32]]]:
    """Texts by parts, with the first row of each: every text between spaces, and then an end."""
    for start in range(0, len(texts), _AT_ONCE):
        text = "".join(f" {text} \n" for text in texts[start : start + _AT_ONCE])
        yield start, np.frombuffer(text.encode("utf-32-le", "replace"), "<u4")


def _occurrences(texts: Sequence[str]) -> Iterator[tuple[npt.NDArray[np.uint16], Rows]]:
    """Kinds of trigrams and the rows of their texts, ordered by kind, each pair once."""
    for start, points in _code_points(texts):
        rows = start + np.cumsum(points == _END)[1:-1]
        inside = (points[:-2] != _END) & (points[1:-1] != _END) & (points[2:] != _END)
        # A trigram across the space between two words says nothing of either word.
        inside &= points[1:-1] != _SPACE
        kinds = (points[:-2] * 31_337 + points[1:-1] * 911 + points[2:]) % _N_KINDS
        kinds, rows = kinds[inside].astype(np.uint16), rows[inside]
        order = np.argsort(kinds, kind="stable")
        kinds, rows = kinds[order], rows[order]
        once = np.ones(len(kinds), bool)
        once[1:] = (kinds[1:] != kinds[:-1]) | (rows[1:] != rows[:-1])
        yield kinds[once], rows[once]
