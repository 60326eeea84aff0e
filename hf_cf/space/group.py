"""What a Space answers to several people at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from hf_cf.data.history import History
from hf_cf.inference.asking import one_visitor
from hf_cf.inference.together import recommend_together
from hf_cf.inference.users import Visitors
from hf_cf.space import inputs
from hf_cf.space.errors import InvalidInput, quoted
from hf_cf.space.films import Json
from hf_cf.space.service import GivenRatings, Item, Service, numbers

MOST_PEOPLE = 8


class GroupFunctions:
    """Answers for people who want to watch, read or hear something together."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def recommend_together(
        self,
        group: list[GivenRatings],
        n: int = 12,
        genres: list[str] | None = None,
        years: list[int] | None = None,
        exclude: list[Item] | None = None,
        min_ratings: int = 0,
        familiarity: str = "mix",
    ) -> list[Json]:
        """Recommend films to several people at once; the least happy of them counts most.

        Each person orders all films as in a list of their own, and a film counts as much as its
        place with the person who puts it last. What one of them has rated, what is like something
        that one of them dislikes, and what one of them would rate below what they usually give,
        does not appear.

        Parameters
        ----------
        group : list
            The ratings of each person, as recommend takes them: 1 to 8 people.
        n : int
            Films to recommend, 1 to 100.
        genres : list of str, optional
            Only films of at least one of these genres; model_info names all.
        years : [first, last], optional
            Only films from the first to the last of these years.
        exclude : list, optional
            Titles or ids of films to leave out. At most 1,000.
        min_ratings : int
            Only films with at least so many ratings in the training data.
        familiarity : str
            How well known the films are: "favourites", "mix", "lesser_known" or "hidden_gems".

        Returns
        -------
        list
            Films, best first, each with "everyone" (the predicted stars of each person, in the
            order of group; null where the model predicts none), "stars" (the least of them) and
            "score" (1 for the first of everybody's own order, 0 for the last of somebody's).
        """
        if not isinstance(group, (list, tuple)) or not 1 <= len(group) <= MOST_PEOPLE:
            raise InvalidInput(
                f"group is {quoted(group)}; it must be a list of the ratings of "
                f"1 to {MOST_PEOPLE} people"
            )
        trained = self._service.rec.trained
        wanted = inputs.Wanted.checked(
            n, genres, years, 0.0, 0.0, exclude, min_ratings, familiarity
        )
        people = [one_visitor(trained, inputs.ratings(ratings)).observed for ratings in group]
        found = recommend_together(
            trained, Visitors(_rows(people)), wanted.n, wanted.choice, wanted.filters
        )
        stars: list[Any] = [None] * len(found.items)
        if found.stars is not None:
            stars = [numbers(each) for each in found.stars.T]
        films = self._service.films_of(found.items)
        return [
            film | {"everyone": each, "stars": each and min(each), "score": score}
            for film, each, score in zip(films, stars, numbers(found.scores), strict=True)
        ]


def _rows(people: list[History]) -> History:
    """Several visitors' ratings as rows of one."""
    return History.from_lengths(
        np.array([len(person) for person in people]),
        np.concatenate([person.items for person in people]),
        np.concatenate([person.stars for person in people]),
    )
