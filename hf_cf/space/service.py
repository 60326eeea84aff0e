"""What a model answers to people and to programs: JSON values in, JSON values out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from hf_cf.recommender import Recommender
from hf_cf.space import inputs
from hf_cf.space.errors import InvalidInput

Json = dict[str, Any]
Item = str | int
GivenRatings = dict[str, float] | list[Json]


class Service:
    """A recommender behind a counter: every method takes and gives plain JSON values.

    A *film* is ``{"item", "title", "year", "genres", "n_ratings"}``; a *card* is a film with
    ``stars`` (predicted), ``std`` (how far off that may be, in stars; null where the model cannot
    say), ``score`` (what the order follows) and ``because`` (the ratings that moved the stars
    most). Ratings come as ``{title or id: stars}`` or as ``[{"item": ..., "rating": ...}]``.

    Nothing is kept between calls, so any number of visitors may ask at the same time.

    Parameters
    ----------
    rec : Recommender
        The model that answers.
    """

    def __init__(self, rec: Recommender) -> None:
        self.rec = rec

    def search(self, text: str, n: int = 8) -> list[Json]:
        """Find films by title as people type it: misspelt, in part, without the year.

        Parameters
        ----------
        text : str
            What somebody typed; at most 300 characters.
        n : int
            Most films to return, 1 to 100.

        Returns
        -------
        list
            Films, best match first; empty if no title is near.
        """
        found = self.rec.find(inputs.text(text, "text"), inputs.whole_number(n, "n"))
        return self.films(found["id"])

    def recommend(
        self,
        ratings: GivenRatings,
        n: int = 12,
        genres: list[str] | None = None,
        years: list[int] | None = None,
        novelty: float = 0.0,
        diversity: float = 0.0,
        exclude: list[Item] | None = None,
        min_ratings: int = 0,
        explain: bool = True,
    ) -> list[Json]:
        """Recommend films to somebody by the ratings that they give.

        Parameters
        ----------
        ratings : dict or list
            Stars by title or id, such as {"Heat (1995)": 4}; or a list of {"item": title or id,
            "rating": stars}. Empty for somebody of whom nothing is known. At most 2,000.
        n : int
            Films to recommend, 1 to 100.
        genres : list of str, optional
            Only films of at least one of these genres; model_info names all.
        years : [first, last], optional
            Only films from the first to the last of these years.
        novelty : float
            0 to 1: how much the well known gives way to the less known.
        diversity : float
            0 to 1: how much films that are like each other are avoided.
        exclude : list, optional
            Titles or ids of films to leave out, such as those seen but not rated. At most 1,000.
        min_ratings : int
            Only films with at least so many ratings in the training data.
        explain : bool
            Whether to say which ratings each film is recommended for.

        Returns
        -------
        list
            Films, best first, each with "stars" (predicted), "std" (how far off that may be, in
            stars), "score" (what the order follows) and "because" (the ratings that moved the
            stars most).
        """
        given = inputs.ratings(ratings)
        controls = _controls(n, genres, years, novelty, diversity, exclude, min_ratings)
        found = self.rec.recommend(ratings=given, **controls)
        return self._cards(found, {"ratings": given}, inputs.flag(explain, "explain"))

    def recommend_for_user(
        self,
        user: Item,
        n: int = 12,
        genres: list[str] | None = None,
        years: list[int] | None = None,
        novelty: float = 0.0,
        diversity: float = 0.0,
        exclude: list[Item] | None = None,
        min_ratings: int = 0,
        explain: bool = True,
    ) -> list[Json]:
        """Recommend films to somebody whom the model was trained on.

        Parameters
        ----------
        user : str or int
            The user's id in the training data.
        n : int
            Films to recommend, 1 to 100.
        genres : list of str, optional
            Only films of at least one of these genres; model_info names all.
        years : [first, last], optional
            Only films from the first to the last of these years.
        novelty : float
            0 to 1: how much the well known gives way to the less known.
        diversity : float
            0 to 1: how much films that are like each other are avoided.
        exclude : list, optional
            Titles or ids of films to leave out. At most 1,000.
        min_ratings : int
            Only films with at least so many ratings in the training data.
        explain : bool
            Whether to say which ratings each film is recommended for, where the model knows what
            its users rated.

        Returns
        -------
        list
            Films, best first, each with "stars" (predicted), "std" (how far off that may be, in
            stars), "score" (what the order follows) and "because" (the ratings that moved the
            stars most).
        """
        user = inputs.item(user, "user")
        controls = _controls(n, genres, years, novelty, diversity, exclude, min_ratings)
        found = self.rec.recommend(user, **controls)
        return self._cards(found, {"user": user}, inputs.flag(explain, "explain"))

    def predict(
        self, items: list[Item], ratings: GivenRatings | None = None, user: Item | None = None
    ) -> list[Json]:
        """Predict how many stars somebody would give films.

        Parameters
        ----------
        items : list
            Titles or ids of the films. At most 1,000.
        ratings : dict or list, optional
            Who it is, by ratings: as recommend takes them.
        user : str or int, optional
            Who it is, by a user's id in the training data. Give either this or ratings.

        Returns
        -------
        list
            "item", "title", "stars" and "std" (how far off that may be, in stars; null where the
            model cannot say), in the order of items.
        """
        wanted = inputs.items(items, "items")
        who = self._who(ratings, user)
        rows = self._codes(wanted)
        names = self.rec.items.ids[rows - 1].tolist()
        stars, stds = self._stars(names, who)
        titles = self.rec.catalogue["title"].to_numpy(object)[rows - 1]
        return [
            {"item": name, "title": title, "stars": star, "std": std}
            for name, title, star, std in zip(names, titles, stars, stds, strict=True)
        ]

    def similar(self, item: Item, n: int = 12) -> list[Json]:
        """Find the films that the same people like.

        Parameters
        ----------
        item : str or int
            Title or id of a film.
        n : int
            Films to return, 1 to 100.

        Returns
        -------
        list
            Films, best first, each with "similarity", -1 to 1.
        """
        found = self.rec.similar(inputs.item(item), inputs.whole_number(n, "n"))
        films = self.films(found["item"])
        return [
            film | {"similarity": float(likeness)}
            for film, likeness in zip(films, found["similarity"], strict=True)
        ]

    def explain(
        self,
        item: Item,
        ratings: GivenRatings | None = None,
        user: Item | None = None,
        n: int = 3,
    ) -> list[Json]:
        """Say which of somebody's ratings moved the predicted stars of a film most.

        Parameters
        ----------
        item : str or int
            Title or id of the film.
        ratings : dict or list, optional
            Who it is, by ratings: as recommend takes them.
        user : str or int, optional
            Who it is, by a user's id in the training data. Give either this or ratings.
        n : int
            Most ratings to name, 1 to 100.

        Returns
        -------
        list
            Largest effect first: "item", "title", "rating", "effect" (in stars, up or down) and
            "text" (the reason in words).
        """
        who = self._who(ratings, user)
        table = self.rec.explain(inputs.item(item), **who, n=inputs.whole_number(n, "n"))
        return _records(table)

    def next_questions(
        self,
        ratings: GivenRatings | None = None,
        n: int = 8,
        exclude: list[Item] | None = None,
    ) -> list[Json]:
        """Pick the films to ask somebody about next, so that a few ratings tell most.

        Parameters
        ----------
        ratings : dict or list, optional
            What they have rated so far, as recommend takes it.
        n : int
            Films to return, 1 to 100.
        exclude : list, optional
            Titles or ids of films that they were asked about already. At most 1,000.

        Returns
        -------
        list
            Films, the most telling first.
        """
        given = inputs.ratings({} if ratings is None else ratings)
        hidden = inputs.items(exclude, "exclude")
        wanted = inputs.whole_number(n, "n")
        ask = getattr(self.rec, "next_questions", None)
        if ask is not None:
            return self.films(ask(given, wanted, exclude=hidden)["item"])
        order = np.argsort(-self.rec.catalogue["n_ratings"].to_numpy(), kind="stable") + 1
        known = np.concatenate([self._codes(given), self._codes(hidden)])
        asked = order[~np.isin(order, known)][:wanted]
        return self.films(self.rec.items.ids[asked - 1])

    def model_info(self) -> Json:
        """Describe the model: data, licence, sizes, metrics, rating scale, genres and years.

        Returns
        -------
        dict
            "dataset", "licence", "synthetic", "n_users", "n_items", "scale", "genres", "years",
            "metrics", "versions" and others.
        """
        rec = self.rec
        source, scale = rec.source, rec.scale
        return {
            "model": rec.model.name,
            "ranking": rec.ranking is not None,
            "rating_noise": None if rec.prior.noise is None else float(rec.prior.noise) ** 0.5,
            "dataset": source.name,
            "licence": source.licence,
            "citation": source.citation,
            "url": source.url,
            "synthetic": source.synthetic,
            "n_users": len(rec.users) - 1,
            "n_items": len(rec.items) - 1,
            "n_ratings": int(rec.catalogue["n_ratings"].sum()),
            "has_history": rec.history is not None,
            "scale": {"min": scale.min, "max": scale.max, "step": scale.step},
            "genres": self.genres(),
            "years": self.years(),
            "metrics": rec.metrics,
            "epochs": rec.facts.epochs,
            "settings": rec.facts.settings,
            "versions": rec.facts.versions,
        }

    def genres(self) -> list[str]:
        """Every genre of the catalogue in alphabetical order."""
        if "genres" not in self.rec.catalogue:
            return []
        names = self.rec.catalogue["genres"].dropna().unique()
        return sorted({genre for own in names for genre in own.split("|")} - {""})

    def years(self) -> list[int] | None:
        """The first and the last year of the catalogue; null where it has no years."""
        if "year" not in self.rec.catalogue:
            return None
        known = self.rec.catalogue["year"].dropna()
        return [int(known.min()), int(known.max())] if len(known) else None

    def users(self, n: int = 50) -> list[Json]:
        """Known users: ``user``, ``n_ratings``, most first; that is null without a history."""
        wanted = inputs.whole_number(n, "n", most=1000)
        if self.rec.history is None:
            return [
                {"user": name, "n_ratings": None} for name in self.rec.users.ids[:wanted].tolist()
            ]
        counts = np.diff(self.rec.history.starts)[1:]
        most = np.argsort(-counts, kind="stable")[:wanted]
        names = self.rec.users.ids[most].tolist()
        return [
            {"user": name, "n_ratings": int(count)}
            for name, count in zip(names, counts[most], strict=True)
        ]

    def user_history(self, user: Any, n: int = 100) -> list[Json]:
        """What a known user has rated, as films with their ``rating``, best liked first."""
        if self.rec.history is None:
            return []
        code = self._user_code(inputs.item(user, "user"))
        codes, stars = self.rec.history.of(code)
        best = np.argsort(-stars, kind="stable")[: inputs.whole_number(n, "n", most=1000)]
        films = self.films(self.rec.items.ids[codes[best] - 1])
        return [
            film | {"rating": float(given)} for film, given in zip(films, stars[best], strict=True)
        ]

    def film_map(self, n: int = 500) -> list[Json]:
        """The most rated films with ``x`` and ``y``: like films are near each other."""
        places = self.rec.item_map(2, inputs.whole_number(n, "n", most=5000))
        films = self.films(places["item"])
        return [
            film | {"x": float(x), "y": float(y)}
            for film, x, y in zip(films, places["x1"], places["x2"], strict=True)
        ]

    def _who(self, ratings: Any, user: Any) -> dict[str, Any]:
        if (ratings is None) == (user is None):
            raise InvalidInput("give either ratings or a user")
        if ratings is not None:
            return {"ratings": inputs.ratings(ratings)}
        return {"user": inputs.item(user, "user")}

    def _codes(self, items: Iterable[Any]) -> Any:
        return self.rec._catalogue.codes(items)

    def _user_code(self, user: int | str) -> int:
        return int(self.rec._known_codes([user])[0])

    def _stars(self, items: list[Any], who: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        if not items:
            return [], []
        people = (
            {"users": [who["user"]] * len(items)} if "user" in who else {"ratings": who["ratings"]}
        )
        if self.rec.prior.noise is None or ("user" in who and self.rec.history is None):
            stars = self.rec.predict(items=items, **people)
            return stars.tolist(), [None] * len(items)
        stars, stds = self.rec.predict(items=items, return_std=True, **people)
        return stars.tolist(), stds.tolist()

    def _cards(self, found: pd.DataFrame, who: dict[str, Any], explain: bool) -> list[Json]:
        films = self.films(found["item"])
        names = found["item"].tolist()
        _, stds = self._stars(names, who)
        explain = explain and (bool(who.get("ratings")) or self.rec.history is not None)
        because = [_records(self.rec.explain(name, **who)) if explain else [] for name in names]
        return [
            film | {"stars": float(stars), "std": std, "score": float(score), "because": reasons}
            for film, stars, std, score, reasons in zip(
                films, found["stars"], stds, found["score"], because, strict=True
            )
        ]

    def films(self, ids: Any) -> list[Json]:
        """Films by raw id."""
        codes = self.rec.items.encode(pd.Index(ids))
        table = self.rec.catalogue.iloc[codes - 1]
        years = table["year"].tolist() if "year" in table else [None] * len(table)
        genres = table["genres"].fillna("").tolist() if "genres" in table else [""] * len(table)
        return [
            {
                "item": name,
                "title": title,
                "year": None if pd.isna(year) else int(year),
                "genres": [genre for genre in own.split("|") if genre],
                "n_ratings": int(count),
            }
            for name, title, year, own, count in zip(
                self.rec.items.ids[codes - 1].tolist(),
                table["title"].tolist(),
                years,
                genres,
                table["n_ratings"].tolist(),
                strict=True,
            )
        ]


def _controls(
    n: Any, genres: Any, years: Any, novelty: Any, diversity: Any, exclude: Any, min_ratings: Any
) -> dict[str, Any]:
    return {
        "n": inputs.whole_number(n, "n"),
        "genres": inputs.texts(genres, "genres"),
        "years": inputs.years(years),
        "novelty": inputs.fraction(novelty, "novelty"),
        "diversity": inputs.fraction(diversity, "diversity"),
        "exclude": inputs.items(exclude, "exclude"),
        "min_ratings": inputs.whole_number(min_ratings, "min_ratings", 0, 10**9),
    }


def _records(table: pd.DataFrame) -> list[Json]:
    rows = zip(*(table[name].tolist() for name in table), strict=True)
    return [dict(zip(table.columns, row, strict=True)) for row in rows]
