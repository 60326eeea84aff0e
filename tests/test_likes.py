"""Models of likes, plays and purchases: the same face, without stars."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import hf_cf
from hf_cf import Ratings, Recommender
from hf_cf.cli import main
from hf_cf.space.service import Service
from hf_cf.training import fit

ONES = Path(__file__).parent / "data" / "cases" / "ones.csv"


@pytest.fixture(scope="module")
def likes() -> Ratings:
    """40 users in two groups, who like the first or the last ten of 20 items."""
    return hf_cf.load_ratings(ONES, feedback="implicit")


@pytest.fixture(scope="module")
def rec(likes: Ratings) -> Recommender:
    return fit(*likes.split(seed=0), progress=False)


def test_a_visitor_who_likes_the_first_group_gets_its_others(rec: Recommender) -> None:
    shown = rec.recommend(liked=[1, 2], n=8)
    assert list(shown.columns) == ["item", "title", "score"]
    assert set(shown["item"]) == set(range(10)) - {1, 2}
    assert rec.recommend(ratings={1: 1, 2: 1}, n=8).equals(shown)


def test_known_users_neighbours_and_questions(rec: Recommender) -> None:
    assert set(rec.recommend(0, n=2)["item"]) <= set(range(10))
    assert set(rec.similar(1, 5)["item"]) <= set(range(10))
    assert len(rec.next_questions({1: 1}, 3)) == 3


def test_reasons_are_parts_of_the_score(rec: Recommender) -> None:
    reasons = rec.explain(3, liked=[1, 2])
    scores = rec.recommend(liked=[1, 2], n=8).set_index("item")["score"]
    nothing = rec.recommend(liked=[], n=20, include_rated=True).set_index("item")["score"]
    assert 0 < reasons["effect"].sum() <= scores[3]
    assert reasons["effect"].sum() == pytest.approx(scores[3], abs=abs(float(nothing[3])) + 1e-3)
    assert set(reasons["text"]) == {"because of 1", "because of 2"}


def test_stars_are_refused_in_words(rec: Recommender) -> None:
    with pytest.raises(ValueError, match="predicts no stars"):
        rec.predict(0, 1)
    with pytest.raises(ValueError, match="predicts no stars"):
        rec.recommend(0, order_by="stars")
    with pytest.raises(ValueError, match="leave model="):
        fit(hf_cf.load_ratings(ONES, feedback="implicit"), model="als")
    with pytest.raises(ValueError, match="no strength of an interaction"):
        rec.recommend(ratings={1: -1})


def test_it_is_saved_loaded_and_carried_on(rec: Recommender, tmp_path: Path) -> None:
    rec.save_pretrained(tmp_path)
    loaded = Recommender.from_pretrained(tmp_path)
    assert loaded.recommend(0).equals(rec.recommend(0))
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "likes, plays or purchases" in card
    assert "stars (ones)" not in card
    table = pd.DataFrame({"user": [99, 99], "item": [11, 12], "rating": [1, 1]})
    assert set(loaded.add_users(table).recommend(99, n=5)["item"]) <= set(range(10, 20))
    updated = loaded.update(pd.DataFrame({"user": [0], "item": [15], "rating": [1]}))
    assert 15 not in set(updated.recommend(0, n=20)["item"])
    items = pd.DataFrame({"id": [20], "title": ["new"]})
    assert len(loaded.add_items(items).items) == len(loaded.items) + 1


def test_it_is_measured_by_its_lists(rec: Recommender) -> None:
    found = {
        (each["system"], each["metric"]): each["value"]
        for each in rec.metadata.evaluation["measurements"]
        if each["by"] == "all"
    }
    assert found["model", "ndcg@10"] > found["most popular", "ndcg@10"]
    assert ("model", "rmse") not in found


def test_people_who_were_held_out_are_measured_too(likes: Ratings) -> None:
    rec = fit(*likes.split(0.2, seed=0, by="user"), progress=False)
    table = pd.DataFrame(rec.metadata.cold_start["measurements"])
    ours = table[table["system"] == "model"].set_index("given")["ndcg"]
    assert ours[3] > ours[0]


@pytest.mark.parametrize(
    "table",
    [
        {"user": [1], "item": [1]},
        {"user": [1, 1], "item": [1, 2]},
        {"user": [1, 2], "item": [1, 1]},
        {"user": [1, 1, 2], "item": [1, 2, 2], "rating": [7, 7, 7]},
    ],
)
def test_next_to_nothing_trains_and_loads(table: dict[str, list[int]], tmp_path: Path) -> None:
    rec = fit(Ratings.from_frame(table, feedback="implicit"), progress=False)
    rec.save_pretrained(tmp_path)
    assert len(Recommender.from_pretrained(tmp_path).recommend(liked=[], n=5)) >= 1


def test_plays_weigh_by_their_number() -> None:
    table = {"user": [1, 1, 2, 2, 3], "item": [1, 2, 1, 3, 2], "rating": [500, 1, 2, 300, 4]}
    rec = fit(Ratings.from_frame(table, feedback="implicit"), progress=False)
    much, little = (
        rec.explain(3, ratings={1: plays, 2: 2}).set_index("item")["effect"] for plays in (400, 1)
    )
    assert abs(much[1]) > abs(little[1])


def test_liked_works_for_models_of_stars(trained: Recommender) -> None:
    films = ["Alien (1979)", "Heat (1995)"]
    assert trained.recommend(liked=films).equals(trained.recommend(ratings=dict.fromkeys(films, 5)))
    with pytest.raises(ValueError, match="either ratings= or liked="):
        trained.recommend(liked=films, ratings={})


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(tmp_path / "likes")
    assert main(["train", "--data", str(ONES), "--feedback", "implicit", "--out", model]) == 0
    assert main(["recommend", "--model", model, "--like", "1", "--like", "2", "-n", "3"]) == 0
    assert main(["predict", "--model", model, "--user", "0", "1"]) == 1
    assert "predicts no stars" in capsys.readouterr().err


def test_the_service_says_that_there_are_no_stars(rec: Recommender) -> None:
    service = Service(rec)
    assert service.model_info()["feedback"] == "implicit"
    (card,) = service.recommend([{"item": 1, "rating": 1}], n=1)
    assert card["stars"] is None
    assert card["because"][0]["text"] == "because of 1"
