"""What pages call answers JSON, errors included, whoever else is asking."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from altered import altered

import hf_cf
from hf_cf.data.catalogue import Catalogue
from hf_cf.space.calls import Calls
from hf_cf.space.endpoints import endpoints_of
from hf_cf.space.errors import Problem
from hf_cf.space.model_report import popularity
from hf_cf.space.page_functions import PageFunctions
from hf_cf.space.service import Service
from hf_cf.training import fit

Function = Callable[[Any], dict[str, Any]]


@pytest.fixture(scope="module")
def functions(service: Service) -> dict[str, Function]:
    calls = Calls(endpoints_of(service))

    def function(name: str) -> Function:
        def answer(values: Any) -> dict[str, Any]:
            try:
                return {"answer": calls.answer(name, values)}
            except Exception as error:
                return {"error": Problem.of(error, name).message}

        return answer

    return {name: function(name) for name in calls.endpoints}


def test_answers_are_json(functions: dict[str, Function], service: Service) -> None:
    answer = json.loads(json.dumps(functions["search"]({"text": "alien", "n": 3})))
    assert answer == {"answer": service.search("alien", 3)}
    portrait = json.loads(json.dumps(functions["portrait"]({})))["answer"]
    assert [film["bias"] for film in portrait["most_liked"]] == sorted(
        (film["bias"] for film in portrait["most_liked"]), reverse=True
    )
    assert portrait["least_liked"][0]["bias"] < portrait["most_liked"][-1]["bias"]


def test_what_a_model_has_seen_beside_ratings_is_named(sample: hf_cf.Ratings) -> None:
    few = sample.take(sample.user_codes < 60)
    for model, seen in (("als", set()), ("bayesian_mf", {"age", "occupation", "year", "genres"})):
        rec = fit(few, model=model, epochs=2, burn_in=1, progress=False)
        assert set(Service(rec).model_info()["features"]) == seen


def test_what_was_held_out_of_a_user_stands_beside_what_is_predicted(
    functions: dict[str, Function], service: Service
) -> None:
    user = service.rec.users.ids[6].item()
    films = functions["user_held_out"]({"user": user})["answer"]
    codes, stars = service.rec.trained.held_out.of(7)
    given = dict(zip(service.rec.items.decode(codes).tolist(), stars.tolist(), strict=True))
    assert {film["item"]: film["rating"] for film in films} == given
    for film in films[:3]:
        assert film["stars"] == pytest.approx(service.rec.predict(user, film["item"]), abs=1e-5)
    trained_on = {film["item"] for film in functions["user_history"]({"user": user})["answer"]}
    assert not trained_on & given.keys()


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("recommend", {"ratings": {"Alien (1979)": 11}}, "11"),
        ("similar", {"item": "No Such Film"}, "no item 'No Such Film'"),
        ("read_list", {"text": "a,b"}, "Name and Rating"),
        ("search", {"nothing": 1}, "search takes no 'nothing'"),
        ("search", {"text": None}, "search needs text"),
        ("unknown_items", {"items": "Alien"}, "must be a list"),
    ],
)
def test_what_is_wrong_is_said(
    functions: dict[str, Function], name: str, values: Any, said: str
) -> None:
    answer = functions[name](values)
    assert list(answer) == ["error"]
    assert said in answer["error"]


def test_a_film_by_id_has_what_people_gave_and_where_it_is_known(service: Service) -> None:
    rec = service.rec
    code = int(rec.catalogue["n_ratings"].idxmax())
    catalogue = rec.catalogue.assign(imdb_id="0114709", tmdb_id=862)
    known = altered(rec, catalogue=Catalogue(rec.items, catalogue))
    item = rec.items.ids[code - 1].item()
    for spelled in (item, str(item)):
        film = PageFunctions(Service(known)).film(spelled)
        assert film["item"] == item
        assert sum(one["count"] for one in film["ratings"]) == film["n_ratings"]
        assert [one["url"] for one in film["links"]] == [
            "https://www.imdb.com/title/tt0114709/",
            "https://www.themoviedb.org/movie/862",
        ]
    assert PageFunctions(service).film(str(item))["links"] == []


def test_items_of_another_model_are_named(functions: dict[str, Function]) -> None:
    assert functions["unknown_items"]({"items": [1, "x", 10**9]}) == {"answer": ["x", 10**9]}


def test_popularity_counted_by_hand() -> None:
    found = popularity(np.array([1, 50, 20, 9, 10, 0, 0, 5, 3, 2]))
    assert found["columns"] == [50, 20, 10, 9, 5, 3, 2, 1, 0, 0]
    assert found["share_of_top_tenth"] == 0.5
    assert (found["n_items"], found["n_rare"]) == (10, 7)
    many = popularity(np.arange(1000))
    assert len(many["columns"]) == 80
    assert many["columns"][0] == pytest.approx(np.arange(987, 1000).mean())
