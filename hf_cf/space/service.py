"""What a model answers to people and to programs: JSON values in, JSON values out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hf_cf.inference import answers
from hf_cf.inference.asking import one_visitor, user_codes
from hf_cf.inference.reasons import Reasons, reason
from hf_cf.inference.users import KnownUsers, Users, Visitors
from hf_cf.recommender import Recommender
from hf_cf.space import inputs
from hf_cf.space.errors import InvalidInput
from hf_cf.space.films import Films, Json

Item = str | int
GivenRatings = dict[str, float] | list[Json]

REASONS = 3  # a card
_DIGITS = 6

_NEARLY = 12  # of 100: how much less like a title may be than the best that is found


class Service:
    """A recommender whose methods take and give plain JSON values.

    A *film* is ``{"item", "title", "year", "genres", "n_ratings"}``; a *card* is a film with
    ``stars`` (predicted), ``std`` (how far off that may be, in stars; null where the model cannot
    say), ``score`` (what the order follows) and ``because`` (the likes that speak for it
    most). Ratings come as ``{title or id: stars}`` or as ``[{"item": ..., "rating": ...}]``.

    Nothing is kept between calls, so any number of visitors may ask at the same time.

    Parameters
    ----------
    rec : Recommender
        The model that answers.
    """

    def __init__(self, rec: Recommender) -> None:
        self.rec = rec
        self._catalogue = rec.trained.catalogue
        self._films = Films(self._catalogue)
        self.words = rec.source.words

    def prepare(self) -> None:
        """Make the tables that are made once; of a million films that takes some seconds."""
        self.films(self.rec.items.ids[:1].tolist())
        self._catalogue.find("a", 1)

    def search(self, text: str, n: int = 8) -> list[Json]:
        """Find films by what people type: a title, a series and a number, a year, or a maker.

        Parameters
        ----------
        text : str
            A title, misspelt, in part, without its year, or as initials ("lotr"); a series and a
            number ("harry potter 3"); a year, for the best known of it; or the name of an author,
            artist or director, where the catalogue has them. At most 300 characters.
        n : int
            Most films to return, 1 to 100.

        Returns
        -------
        list
            Films, best match first, with those that match nearly as well; empty if none is near.
        """
        found = self._catalogue.find(inputs.text(text, "text"), inputs.integer(n, "n"))
        is_near = found["likeness"] >= found["likeness"].max() - _NEARLY
        return self.films(found.loc[is_near, "id"])

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
        familiarity: str = "mix",
        profile: Json | None = None,
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
            0 to 1: how much the well known gives way to the less known, beyond what familiarity
            says.
        diversity : float
            0 to 1: how much films that are like each other are avoided.
        exclude : list, optional
            Titles or ids of films to leave out, such as those seen but not rated. At most 1,000.
        min_ratings : int
            Only films with at least so many ratings in the training data.
        explain : bool
            Whether to say which ratings each film is recommended for.
        familiarity : str
            How well known the films are: "favourites", "mix", "lesser_known" or "hidden_gems".
            None of them is like a disliked one, or predicted below what this person usually gives.
        profile : dict, optional
            What else is known of them, such as {"age": 25}; "profile" of model_info says what a
            model knows. It counts less with each rating.

        Returns
        -------
        list
            Films, best first, each with "stars" (predicted), "std" (how far off that may be, in
            stars), "score" (what the order follows) and "because" (the likes that
            speak for it most, if any do).
        """
        wanted = inputs.Wanted.checked(
            n, genres, years, novelty, diversity, exclude, min_ratings, familiarity
        )
        reasons = REASONS if inputs.flag(explain, "explain") else 0
        return self._cards(self._visitor(ratings, profile), wanted, reasons)

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
            stars), "score" (what the order follows) and "because" (the likes that
            speak for it most, if any do).
        """
        wanted = inputs.Wanted.checked(n, genres, years, novelty, diversity, exclude, min_ratings)
        reasons = REASONS if inputs.flag(explain, "explain") else 0
        return self._cards(self.known(user), wanted, reasons)

    def predict(
        self,
        items: list[Item],
        ratings: GivenRatings | None = None,
        user: Item | None = None,
        profile: Json | None = None,
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
        profile : dict, optional
            What else is known of somebody with ratings, as recommend takes it.

        Returns
        -------
        list
            "item", "title", "stars" and "std" (how far off that may be, in stars; null where the
            model cannot say), in the order of items.
        """
        codes = self._catalogue.codes(inputs.items(items, "items"))
        who = self._who(ratings, user, profile)
        known = self.rec.trained.scorer.has_standard_deviations and who.observed is not None
        found = answers.predict(self.rec.trained, who, codes, with_deviations=known)
        return [
            {"item": film["item"], "title": film["title"], "stars": own, "std": std}
            for film, own, std in zip(
                self._films[codes],
                numbers(found.stars),
                numbers(found.standard_deviations, len(codes)),
                strict=True,
            )
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
        found = self.rec.similar(inputs.item(item), inputs.integer(n, "n"))
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
        target = self._catalogue.codes([inputs.item(item)])
        wanted = inputs.integer(n, "n")
        who = self._who(ratings, user)
        if who.observed is None:
            raise InvalidInput("this model does not know what its users rated; give ratings")
        return self._because(answers.explain(self.rec.trained, who, target, wanted))[0]

    def next_questions(
        self,
        ratings: GivenRatings | None = None,
        n: int = 8,
        exclude: list[Item] | None = None,
        profile: Json | None = None,
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
        profile : dict, optional
            What else is known of them, as recommend takes it.

        Returns
        -------
        list
            Films, the most telling first.
        """
        given = inputs.ratings({} if ratings is None else ratings)
        asked = inputs.items(exclude, "exclude")
        found = self.rec.next_questions(
            given, inputs.integer(n, "n"), profile=inputs.profile(profile), exclude=asked
        )
        return self.films(found["item"])

    def model_info(self) -> Json:
        """Describe the model: data, licence, sizes, metrics, rating scale, genres and years.

        Returns
        -------
        dict
            "dataset", "licence", "synthetic", "n_users", "n_items", "scale", "genres", "years",
            "metrics", "versions" and others; "profile" names what may stand in a profile, each with
            its values, or its least and greatest number.
        """
        rec, scorer = self.rec, self.rec.trained.scorer
        source, scale, profiles = rec.source, rec.scale, scorer.profiles
        noise = scorer.rating.prior.noise
        return {
            "model": rec.model.name,
            "ranking": rec.ranking is not None,
            "feedback": "explicit" if scorer.predicts_stars else "implicit",
            "features": [
                feature["column"]
                for side in ("user_features", "item_features")
                for feature in rec.model.settings.get(side, ())
            ],
            "profile": [
                {
                    "name": feature.column,
                    "kind": feature.kind,
                    "values": list(feature.values)
                    if feature.kind != "number"
                    else [feature.values[0], feature.values[-1]],
                }
                for feature in (() if profiles is None else profiles.features)
            ],
            "rating_noise": None if noise is None else float(noise) ** 0.5,
            "dataset": source.name,
            "licence": source.licence,
            "citation": source.citation,
            "url": source.url,
            "synthetic": source.synthetic,
            "noun": self.words.singular,
            "verb": self.words.verb,
            "n_users": len(rec.users) - 1,
            "n_items": len(rec.items) - 1,
            "n_ratings": int(rec.catalogue["n_ratings"].sum()),
            "has_history": rec.history is not None,
            "has_held_out": rec.trained.held_out is not None,
            "scale": {"min": scale.min, "max": scale.max, "step": scale.step},
            "genres": self._films.genres,
            "years": self._films.years,
            "metrics": rec.metrics,
            "epochs": rec.metadata.epochs,
            "settings": rec.metadata.settings,
            "versions": rec.metadata.versions,
        }

    def films(self, ids: Iterable[Any]) -> list[Json]:
        """Films by raw id."""
        return self._films[self._catalogue.codes(list(ids))]

    def films_of(self, codes: Any) -> list[Json]:
        """Films by code, shape (n,)."""
        return self._films[codes]

    # Who asks

    def _visitor(self, ratings: Any, profile: Any = None) -> Visitors:
        given = inputs.ratings(ratings)
        return one_visitor(self.rec.trained, given, inputs.profile(profile))

    def known(self, user: Any) -> KnownUsers:
        """A known user by id."""
        codes = user_codes(self.rec.trained, [inputs.item(user, "user")])
        return KnownUsers(codes, self.rec.history)

    def _who(self, ratings: Any, user: Any, profile: Any = None) -> Users:
        if (ratings is None) == (user is None):
            raise InvalidInput("give either ratings or a user")
        if ratings is None and profile is not None:
            raise InvalidInput("a profile is of somebody with ratings, not of a known user")
        return self.known(user) if ratings is None else self._visitor(ratings, profile)

    # What they get

    def _cards(self, who: Users, wanted: inputs.Wanted, reasons: int) -> list[Json]:
        found = answers.recommend(
            self.rec.trained, who, wanted.n, wanted.choice, wanted.filters,
            with_deviations=True, n_reasons=reasons,
        )  # fmt: skip
        n = len(found.items)
        because = [[] for _ in range(n)] if found.reasons is None else self._because(found.reasons)
        return [
            film | {"stars": own, "std": std, "score": score, "because": said}
            for film, own, std, score, said in zip(
                self._films[found.items],
                numbers(found.stars, n),
                numbers(found.standard_deviations, n),
                numbers(found.scores),
                because,
                strict=True,
            )
        ]

    def _because(self, reasons: Reasons) -> list[list[Json]]:
        """Reasons of each item, the most telling first."""
        by_stars = self.rec.trained.scorer.predicts_stars
        return [
            [
                {
                    "item": film["item"],
                    "title": film["title"],
                    "rating": rating,
                    "effect": round(effect, _DIGITS),
                    "text": reason(film["title"], rating, by_stars),
                }
                for film, rating, effect in zip(
                    self._films[items], ratings.tolist(), effects.tolist(), strict=True
                )
            ]
            for items, ratings, effects in reasons.of_items()
        ]


def numbers(values: Any, n: int = 0) -> list[Any]:
    """A column as JSON shows it: a float32 has no more than seven digits to tell; n times null."""
    if values is None:
        return [None] * n
    return [round(value, _DIGITS) for value in values.tolist()]
