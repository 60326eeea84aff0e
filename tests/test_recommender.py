"""What somebody who holds a trained model sees: stars, recommendations, likeness, maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from same_answers import ALIEN_FAN

import hf_cf
from hf_cf import Recommender, UnknownItem, UnknownUser
from hf_cf.training import fit

# Prediction


def test_a_pair_gives_a_number_and_pairs_an_array(trained: Recommender) -> None:
    one = trained.predict(7, 140)
    assert isinstance(one, float)
    several = trained.predict([7, 8, 7], [140, 140, 3])
    assert several.dtype == np.float32
    assert several.shape == (3,)
    assert several[0] == pytest.approx(one, abs=1e-6)


def test_one_user_is_asked_about_every_item(trained: Recommender) -> None:
    found = trained.predict(7, [140, 3, 9])
    np.testing.assert_allclose(found, trained.predict([7, 7, 7], [140, 3, 9]), atol=1e-6)
    assert trained.predict(7, []).shape == (0,)
    assert trained.predict([], []).shape == (0,)


@pytest.mark.parametrize("user", ["7", np.int64(7), np.int32(7), 7.0])
@pytest.mark.parametrize("item", ["140", np.int64(140), "Blade Runner (1982)"])
def test_ids_as_text_or_of_numpy_and_titles_are_the_same_pair(
    trained: Recommender, user: Any, item: Any
) -> None:
    assert trained.predict(user, item) == trained.predict(7, 140)


def test_columns_of_a_table_can_be_asked(trained: Recommender) -> None:
    table = pd.DataFrame({"user": [7, 8], "item": [140, 3]})
    expected = trained.predict([7, 8], [140, 3])
    assert (trained.predict(table["user"], table["item"]) == expected).all()
    assert (trained.predict(table["user"].to_numpy(), table["item"].to_numpy()) == expected).all()


def test_predictions_are_good_on_ratings_held_out(
    trained: Recommender, sample: hf_cf.Ratings
) -> None:
    _, valid = sample.split(seed=0)
    table = valid.to_frame()
    found = trained.predict(table["user"], table["item"])
    assert ((found - table["rating"]) ** 2).mean() <= trained.metrics["valid_mse"] + 1e-6
    assert np.corrcoef(found, table["rating"])[0, 1] > 0.4


def test_stars_stay_within_the_scale(small: Recommender) -> None:
    harsh = dict.fromkeys(small.catalogue["id"][:30], 0.5)
    kind = dict.fromkeys(small.catalogue["id"][:30], 5.0)
    for ratings in (harsh, kind):
        stars = small.predict(ratings=ratings, items=small.catalogue["id"])
        assert stars.min() >= 0.5
        assert stars.max() <= 5.0


@pytest.mark.parametrize(
    "ask",
    [
        lambda rec: rec.predict(7),
        lambda rec: rec.predict(items=3),
        lambda rec: rec.predict(7, 3, ratings={3: 5}),
        lambda rec: rec.predict([7, 8], [1, 2, 3]),
        lambda rec: rec.predict([7, 8], 3),
        lambda rec: rec.recommend(),
        lambda rec: rec.recommend(7, ratings={3: 5}),
        lambda rec: rec.recommend(7, n=0),
        lambda rec: rec.recommend(7, n=-5),
        lambda rec: rec.similar(3, n=0),
        lambda rec: rec.find("alien", n=0),
        lambda rec: rec.recommend(ratings={3: 6}),
        lambda rec: rec.recommend(7, order_by="fame"),
        lambda rec: rec.recommend(7, novelty=2),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    trained: Recommender, ask: Callable[[Recommender], Any]
) -> None:
    with pytest.raises(ValueError, match=r"give|must|choose|not a rating"):
        ask(trained)


@pytest.mark.parametrize(
    "user", [99_999, "nobody", np.int64(99_999), None, float("nan"), "#na#", 0]
)
def test_an_unknown_user_is_named_and_told_how_to_be_served(
    trained: Recommender, user: Any
) -> None:
    plain = user.item() if isinstance(user, np.generic) else user
    with pytest.raises(UnknownUser) as error:
        trained.predict([7, user], [3, 3])
    assert str(error.value).startswith(f"there is no user {plain!r} among the 600")
    assert "ratings=" in str(error.value)


def test_an_unknown_title_is_answered_with_the_nearest(trained: Recommender) -> None:
    for ask in (
        lambda title: trained.predict(7, title),
        trained.similar,
        lambda title: trained.recommend(ratings={title: 4}),
    ):
        with pytest.raises(UnknownItem, match=r"'the matrx'.*'Matrix, The \(1999\)'"):
            ask("the matrx")


def test_a_title_of_two_films_needs_an_id() -> None:
    ratings = hf_cf.Ratings.from_frame(
        pd.DataFrame({"user": [1, 1, 2], "item": [5, 6, 5], "rating": [1, 5, 3]}),
        items=pd.DataFrame({"id": [5, 6], "title": ["Sabrina", "Sabrina"]}),
    )
    rec = fit(ratings, None, epochs=1, progress=False)
    with pytest.raises(UnknownItem, match="use an id: 5, 6"):
        rec.predict(1, "Sabrina")
    assert 1 <= rec.predict(1, 6) <= 5


# Recommendation


@pytest.mark.parametrize("who", [{"user": 7}, {"ratings": ALIEN_FAN}, {"ratings": {}}], ids=str)
@pytest.mark.parametrize("order_by", ["score", "stars"])
def test_recommendations_are_a_table_best_first(
    trained: Recommender, who: dict[str, Any], order_by: str
) -> None:
    table = trained.recommend(**who, n=15, order_by=order_by)
    assert list(table.columns) == ["item", "title", "stars", "score"]
    assert len(table) == 15
    assert table["item"].is_unique
    assert table["score"].is_monotonic_decreasing
    assert table["stars"].between(0.5, 5).all()
    titles = trained.catalogue.set_index("id")["title"]
    assert table["title"].tolist() == titles[table["item"]].tolist()


def test_the_stars_shown_are_those_predicted(small: Recommender) -> None:
    for who, asked in (({"user": 7}, {"users": 7}), ({"ratings": ALIEN_FAN},) * 2):
        table = small.recommend(**who, n=12)
        expected = small.predict(items=table["item"], **asked)
        np.testing.assert_allclose(table["stars"], expected, atol=1e-5)


def test_by_stars_nothing_better_is_left_out(small: Recommender) -> None:
    table = small.recommend(7, n=5, order_by="stars", include_rated=True)
    everything = small.predict(7, small.catalogue["id"])
    best = np.sort(everything)[::-1][:5]
    np.testing.assert_allclose(table["stars"], best, atol=1e-5)


def test_without_a_ranking_head_the_order_is_that_of_the_stars(stars_only: Recommender) -> None:
    by_score, by_stars = (stars_only.recommend(7, order_by=order) for order in ("score", "stars"))
    pd.testing.assert_frame_equal(by_score, by_stars)


def test_what_was_rated_is_left_out_unless_asked_for(
    trained: Recommender, sample: hf_cf.Ratings
) -> None:
    train, _ = sample.split(seed=0)
    frame = train.to_frame()
    rated = set(frame.loc[frame["user"] == 7, "item"])
    everything = trained.recommend(7, n=10_000)
    assert set(everything["item"]) == set(sample.items.ids) - rated
    with_rated = trained.recommend(7, n=10_000, include_rated=True)
    assert set(with_rated["item"]) == set(sample.items.ids)


def test_what_a_visitor_rated_is_left_out_unless_asked_for(trained: Recommender) -> None:
    shown = trained.recommend(ratings=ALIEN_FAN, n=10_000)
    assert not set(shown["title"]) & set(ALIEN_FAN)
    assert len(shown) == len(trained.catalogue) - 3
    with_rated = trained.recommend(ratings=ALIEN_FAN, n=10_000, include_rated=True)
    assert set(ALIEN_FAN) < set(with_rated["title"])


@pytest.mark.parametrize("changes", [{}, {"diversity": 0.5}, {"novelty": 0.3}], ids=str)
def test_several_users_get_what_each_gets_alone(
    trained: Recommender, changes: dict[str, float]
) -> None:
    users = [7, "12", 7, 600]
    together = trained.recommend(users, n=4, **changes)
    assert together["user"].tolist() == [user for user in users for _ in range(4)]
    alone = pd.concat([trained.recommend(user, n=4, **changes) for user in users])
    pd.testing.assert_frame_equal(
        together.drop(columns="user"), alone.reset_index(drop=True), atol=1e-5, rtol=1e-5
    )


def test_users_come_in_blocks_that_fit_into_memory(
    trained: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = list(range(1, 30))
    whole = trained.recommend(users, n=3)
    monkeypatch.setattr("hf_cf.inference.trained_model._GRID_CELLS", 4 * len(trained.items))
    in_blocks = trained.recommend(users, n=3)
    assert trained.trained.users_at_once == 4
    pd.testing.assert_frame_equal(whole, in_blocks, atol=1e-5, rtol=1e-5)


def test_of_nobody_there_is_an_empty_table(trained: Recommender) -> None:
    for diversity in (0, 0.5):
        table = trained.recommend([], diversity=diversity)
        assert list(table.columns) == ["user", "item", "title", "stars", "score"]
        assert len(table) == 0


def test_somebody_who_has_rated_everything_gets_an_empty_table() -> None:
    ratings = hf_cf.Ratings.from_frame(
        pd.DataFrame({"user": [1, 1, 2], "item": [5, 6, 5], "rating": [1, 5, 3]})
    )
    rec = fit(ratings, None, epochs=1, progress=False)
    table = rec.recommend(1)
    assert list(table.columns) == ["item", "title", "stars", "score"]
    assert len(table) == 0
    assert rec.recommend([1, 2])["user"].tolist() == [2]


def test_a_visitor_gets_what_a_visitor_of_that_taste_likes(trained: Recommender) -> None:
    def share_of_science_fiction(ratings: dict[str, float]) -> float:
        shown = trained.recommend(ratings=ratings, n=20)["item"]
        genres = trained.catalogue.set_index("id").loc[shown, "genres"]
        return genres.str.contains("Sci-Fi").mean()

    fan = dict.fromkeys(("Alien (1979)", "Blade Runner (1982)", "Matrix, The (1999)"), 5)
    romantic = {"Notting Hill (1999)": 5, "Pretty Woman (1990)": 5, "Titanic (1997)": 5}
    assert share_of_science_fiction(fan) > share_of_science_fiction(romantic) + 0.3


def test_a_visitor_with_a_known_user_s_ratings_is_told_about_the_same(
    sample: hf_cf.Ratings,
) -> None:
    train, valid = sample.split(seed=0)
    trained = fit(train, valid, progress=False)
    frame = train.to_frame()
    items = trained.catalogue["id"]
    closer = []
    for user in (5, 7, 40, 300):
        own = frame[frame["user"] == user]
        visitor = {"ratings": dict(zip(own["item"], own["rating"], strict=True))}
        as_known, as_visitor = trained.predict(user, items), trained.predict(items=items, **visitor)
        assert np.abs(as_known - as_visitor).mean() < 0.25
        assert np.corrcoef(as_known, as_visitor)[0, 1] > 0.95
        shown = [set(trained.recommend(**who)["item"]) for who in ({"user": user}, visitor)]
        closer.append(len(shown[0] & shown[1]))
    assert np.mean(closer) >= 9


def test_every_model_serves_visitors(small: Recommender) -> None:
    items = small.catalogue["id"]
    unknown = small.predict(ratings={}, items=items)
    harsh = small.predict(ratings=dict.fromkeys(items[:40], 1.0), items=items)
    kind = small.predict(ratings=dict.fromkeys(items[:40], 5.0), items=items)
    assert harsh.mean() < unknown.mean() < kind.mean()
    assert len(small.recommend(ratings=ALIEN_FAN)) == 10


# Likeness and maps


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Toy Story (1995)", "Animation"),
        ("Alien (1979)", "Sci-Fi|Horror"),
        ("Lord of the Rings: The Two Towers, The (2002)", "Fantasy|Adventure"),
    ],
)
def test_similar_films_share_the_planted_taste(trained: Recommender, title: str, kind: str) -> None:
    table = trained.similar(title, n=10)
    assert list(table.columns) == ["item", "title", "similarity"]
    assert title not in table["title"].tolist()
    assert table["similarity"].is_monotonic_decreasing
    assert table["similarity"].between(-1, 1).all()
    genres = trained.catalogue.set_index("id")["genres"]
    common = genres.str.contains(kind).mean()
    assert genres[table["item"]].str.contains(kind).mean() > max(0.5, 1.5 * common)


def test_similar_never_shows_more_than_there_is(small: Recommender) -> None:
    table = small.similar("Alien (1979)", n=10_000)
    assert len(table) == len(small.catalogue) - 1
    assert table["item"].is_unique
    assert table["similarity"].between(-1, 1).all()


def test_item_bias_orders_what_is_liked_beyond_taste(
    trained: Recommender, sample: hf_cf.Ratings
) -> None:
    table = trained.item_bias()
    assert list(table.columns) == ["item", "title", "bias", "n_ratings"]
    assert len(table) == len(trained.catalogue)
    assert table["bias"].is_monotonic_decreasing
    train, _ = sample.split(seed=0)
    means = train.to_frame().groupby("item")["rating"].mean()
    often = table[table["n_ratings"] >= 50]
    assert np.corrcoef(often["bias"], means[often["item"]])[0, 1] > 0.6
    counts = train.to_frame()["item"].value_counts().reindex(table["item"], fill_value=0)
    assert table["n_ratings"].tolist() == counts.tolist()


def test_every_model_knows_what_is_liked_most(small: Recommender) -> None:
    table = small.item_bias()
    assert table["bias"].is_monotonic_decreasing
    assert table["bias"].iloc[0] > table["bias"].iloc[-1]


def test_an_item_map_is_the_principal_components(trained: Recommender) -> None:
    table = trained.item_map(n=3, most_rated=200)
    assert list(table.columns) == ["item", "title", "n_ratings", "x1", "x2", "x3"]
    assert len(table) == 200
    assert table["n_ratings"].is_monotonic_decreasing
    places = table[["x1", "x2", "x3"]].to_numpy(np.float64)
    spread = places.T @ places
    assert (np.diff(np.diag(spread)) < 0).all()
    np.testing.assert_allclose(spread, np.diag(np.diag(spread)), atol=1e-4 * spread[0, 0])
    np.testing.assert_allclose(places.mean(0), 0, atol=1e-5)
    codes = torch.from_numpy(trained.items.encode(table["item"])).long()
    factors = trained.model.item_embeddings()[codes].double().numpy()
    variances = np.linalg.svd(factors - factors.mean(0), compute_uv=False)[:3] ** 2
    np.testing.assert_allclose(np.diag(spread), variances, rtol=1e-3)


def test_an_item_map_is_the_same_each_time(small: Recommender) -> None:
    first = small.item_map()
    assert len(first) == len(small.catalogue)
    pd.testing.assert_frame_equal(first, small.item_map())
    assert first[["x1", "x2", "x3"]].notna().all(axis=None)


def test_find_is_the_catalogue_s(trained: Recommender) -> None:
    found = trained.find("silence of the lamb", n=3)
    assert found.loc[0, "title"] == "Silence of the Lambs, The (1991)"
    assert len(trained.find("qwzxkjhgv")) == 0


def test_a_model_says_what_it_is(trained: Recommender) -> None:
    assert repr(trained) == "Recommender(collab_learner trained on sample: 600 users, 560 items)"
