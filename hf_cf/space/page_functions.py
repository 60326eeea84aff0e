"""What the pages ask for in addition to what programs may ask: see `hf_cf.space.endpoints`."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from hf_cf.data.history import History
from hf_cf.data.scale import Stars
from hf_cf.data.vocab import Codes
from hf_cf.inference import answers
from hf_cf.inference.users import KnownUsers
from hf_cf.space import inputs
from hf_cf.space.films import Json, as_sent
from hf_cf.space.lists import ListReader
from hf_cf.space.model_report import model_report
from hf_cf.space.service import Service, numbers

_PAGES = {
    "imdb_id": ("IMDb", "https://www.imdb.com/title/tt{}/"),
    "tmdb_id": ("TMDB", "https://www.themoviedb.org/movie/{}"),
}
"""Pages about films elsewhere, by the catalogue's column of their numbers (as in links.csv)."""


class PageFunctions:
    """Answers that only the Space's own pages ask for."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def portrait(self) -> Json:
        """Measurements, popularity and biases of the model, with films."""
        found = model_report(self._service.rec)
        for name in ("most_liked", "least_liked"):
            films = self._service.films([item for item, _ in found[name]])
            found[name] = [
                film | {"bias": bias} for film, (_, bias) in zip(films, found[name], strict=True)
            ]
        return found

    def film(self, item: Any) -> Json:
        """A film by id, which may be text, since a page's address holds no numbers.

        Beside what a film has: ``ratings``, how many known ratings there are of each kind, lowest
        first (null without a history), and ``links``, pages about it elsewhere (name and url).
        """
        rec = self._service.rec
        item = inputs.item(item)
        code = int(rec.trained.catalogue.codes([item])[0])
        counts = None
        if rec.history is not None:
            given = rec.history.stars[rec.history.items == code]
            levels, ratings = np.unique(given, return_counts=True)
            counts = [
                {"rating": level, "count": count}
                for level, count in zip(levels.tolist(), ratings.tolist(), strict=True)
            ]
        (film,) = self._service.films([item])
        return film | {"ratings": counts, "links": _links(rec.catalogue.iloc[code - 1])}

    def users(self, n: int = 50) -> list[Json]:
        """Known users: ``user``, ``n_ratings``, most first; that is null without a history."""
        wanted = inputs.integer(n, "n", most=1000)
        if self._service.rec.history is None:
            return [
                {"user": as_sent(name), "n_ratings": None}
                for name in self._service.rec.users.ids[:wanted].tolist()
            ]
        counts = np.diff(self._service.rec.history.starts)[1:]
        most = np.argsort(-counts, kind="stable")[:wanted]
        names = self._service.rec.users.ids[most].tolist()
        return [
            {"user": as_sent(name), "n_ratings": int(count)}
            for name, count in zip(names, counts[most], strict=True)
        ]

    def user_history(self, user: Any, n: int = 100) -> list[Json]:
        """What a known user has rated, as films with their ``rating``, best liked first."""
        history = self._service.rec.history
        if history is None:
            return []
        codes, stars = _best_liked(history, self._service.known(user), n)
        rated = zip(self._service.films_of(codes), stars.tolist(), strict=True)
        return [film | {"rating": given} for film, given in rated]

    def user_held_out(self, user: Any, n: int = 100) -> list[Json]:
        """Ratings of a known user that the model has not learned from, best liked first.

        Films with their ``rating``, and the ``stars`` that the model predicts; null of likes.
        """
        trained = self._service.rec.trained
        if trained.held_out is None:
            return []
        who = self._service.known(user)
        codes, stars = _best_liked(trained.held_out, who, n)
        own = None
        if trained.scorer.predicts_stars:
            own = answers.predict(trained, who, codes).stars
        predicted = numbers(own, len(codes))
        rated = zip(self._service.films_of(codes), stars.tolist(), predicted, strict=True)
        return [film | {"rating": given, "stars": each} for film, given, each in rated]

    def film_map(self, n: int = 500) -> list[Json]:
        """The most rated films with ``at``: up to three coordinates, like films near each other."""
        places = self._service.rec.item_map(3, inputs.integer(n, "n", most=5000))
        at = places.filter(regex=r"^x\d$").to_numpy(float).tolist()
        films = self._service.films(places["item"])
        return [film | {"at": place} for film, place in zip(films, at, strict=True)]

    def read_list(self, text: str) -> Json:
        """What a list holds that a visitor brings.

        ``films`` with their ``rating``, ``saved`` for later, and ``missing``: the ``name`` of each
        line that was left out, and ``why``.
        """
        read = self._reader.read(text)
        kept = dict(list(read.ratings.items())[: inputs.MOST_RATINGS])
        films = self._service.films(list(kept))
        return {
            "films": [
                film | {"rating": stars} for film, stars in zip(films, kept.values(), strict=True)
            ],
            "saved": self._service.films(read.saved[: inputs.MOST_ITEMS]),
            "missing": [asdict(one) for one in read.missing],
            "n_missing": read.n_missing,
        }

    def unknown_items(self, items: list[Any]) -> list[Any]:
        """Those of a visitor's items that this model does not have."""
        wanted = inputs.items(items, "items", inputs.MOST_RATINGS + inputs.MOST_ITEMS)
        codes = self._service.rec.items.encode(wanted)
        return [item for item, code in zip(wanted, codes.tolist(), strict=True) if not code]

    @cached_property
    def _reader(self) -> ListReader:
        rec = self._service.rec
        return ListReader(rec.trained.catalogue, rec.scale)


def _best_liked(history: History, user: KnownUsers, n: Any) -> tuple[Codes, Stars]:
    """Item codes and ratings of a single user's n highest ratings, best first."""
    codes, stars = history.of(int(user.codes[0]))
    best = np.argsort(-stars, kind="stable")[: inputs.integer(n, "n", most=1000)]
    return codes[best], stars[best]


def _links(row: pd.Series[Any]) -> list[Json]:
    known = {column: str(row[column]) for column in _PAGES if pd.notna(row.get(column))}
    return [
        {"name": _PAGES[column][0], "url": _PAGES[column][1].format(number)}
        for column, number in known.items()
        if number.isascii() and number.isdigit()
    ]
