import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import RatingScale
from hf_cf.data.vocab import NA, Vocab
from hf_cf.errors import DataFormatError

FRAME = pd.DataFrame(
    {
        "user": [20, 10, 20, 30, 10, 30],
        "item": ["b", "a", "a", "c", "c", "a"],
        "rating": [4.0, 3.5, 5.0, 1.0, 2.0, 4.5],
        "timestamp": [6, 5, 4, 3, 2, 1],
    }
)
FILMS = pd.DataFrame(
    {
        "id": ["c", "a", "b", "z"],
        "title": ["Heat (1995)", "Up (2009)", None, "Nobody rated this"],
        "director": ["Mann", "Docter", "Unknown", "Nobody"],
        "year": [1995, 2009, None, None],
    }
)

ids = st.lists(st.integers(-(2**40), 2**40), unique=True) | st.lists(
    st.text(min_size=1, max_size=5), unique=True
)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Ratings of a few users of a few items, each pair at most once, in any order."""
    pairs = draw(
        st.lists(
            st.tuples(st.integers(1, 8), st.integers(1, 8)), min_size=1, max_size=40, unique=True
        )
    )
    count = len(pairs)
    times = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    stars = draw(st.lists(st.sampled_from([1.0, 2.0, 3.5, 5.0]), min_size=count, max_size=count))
    return pd.DataFrame(pairs, columns=["user", "item"]).assign(rating=stars, timestamp=times)


@given(ids=ids)
def test_a_vocab_takes_every_id_to_its_code_and_back(ids: list[object]) -> None:
    vocab = Vocab(ids)
    codes = vocab.encode(ids)
    assert codes.dtype == np.int32
    assert codes.tolist() == list(range(1, len(ids) + 1))
    assert vocab.decode(codes).tolist() == ids
    assert len(vocab) == len(ids) + 1


def test_an_unknown_id_has_code_0_which_is_na() -> None:
    vocab = Vocab([10, 20])
    assert vocab.encode([99, "x", None, 1.5, 20]).tolist() == [0, 0, 0, 0, 2]
    assert vocab.decode([0, 2]).tolist() == [NA, 20]
    assert 10 in vocab
    assert 11 not in vocab


def test_text_that_spells_a_number_finds_it_and_the_other_way_round() -> None:
    assert Vocab([10, 20]).encode(["20", "10"]).tolist() == [2, 1]
    assert Vocab(["10", "20"]).encode([20, 10]).tolist() == [2, 1]


def test_decoding_keeps_the_shape() -> None:
    assert Vocab([10, 20]).decode([[1, 2], [2, 2]]).tolist() == [[10, 20], [20, 20]]


def test_an_id_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'a' stands twice"):
        Vocab(["a", "b", "a"])


@given(raw=st.lists(st.integers(-5, 10**12), min_size=1) | st.lists(st.text(), min_size=1))
def test_a_vocab_is_built_of_the_sorted_distinct_values(raw: list[object]) -> None:
    values = np.array(raw, dtype=None if isinstance(raw[0], int) else object)
    vocab, codes = Vocab.build(values)
    assert vocab.ids.tolist() == sorted(set(raw))
    assert vocab.decode(codes).tolist() == raw


@given(raw=st.lists(st.sampled_from("badce"), min_size=1))
def test_a_categorical_builds_the_vocab_of_its_values(raw: list[str]) -> None:
    vocab, codes = Vocab.build(pd.Categorical(raw, categories=list("edcbaz")))
    assert vocab.ids.tolist() == sorted(set(raw))
    assert vocab.decode(codes).tolist() == raw


@pytest.mark.parametrize(
    ("scale", "levels", "output_range"),
    [
        (RatingScale(1, 5, 1), [1, 2, 3, 4, 5], (0, 5.5)),
        (RatingScale(0.5, 2, 0.5), [0.5, 1, 1.5, 2], (0, 2.2)),
    ],
)
def test_a_scale_has_levels_and_an_output_range_a_little_wider(
    scale: RatingScale, levels: list[float], output_range: tuple[float, float]
) -> None:
    assert scale.levels.tolist() == levels
    assert scale.output_range == pytest.approx(output_range)


@pytest.mark.parametrize(
    ("stars", "scale"),
    [
        ([1, 5, 4], RatingScale(1, 5, 1)),
        ([0.5, 5, 4.5], RatingScale(0.5, 5, 0.5)),
        ([3, 3], RatingScale(3, 4, 1)),
        ([0, 0.001, 10], RatingScale(0, 10, 0.1)),
    ],
)
def test_a_scale_is_inferred_from_stars(stars: list[float], scale: RatingScale) -> None:
    inferred = RatingScale.infer(np.array(stars, dtype=np.float32))
    assert (inferred.min, inferred.max) == (scale.min, scale.max)
    assert inferred.step == pytest.approx(scale.step)


@given(table=tables())
def test_a_frame_comes_back_as_it_went_in(table: pd.DataFrame) -> None:
    ratings = Ratings.from_frame(table)
    pd.testing.assert_frame_equal(ratings.to_frame(), table, check_dtype=False)
    assert ratings.stars.dtype == np.float32
    assert ratings.timestamps is not None
    assert ratings.timestamps.dtype == np.int64
    assert ratings.user_counts().sum() == ratings.item_counts().sum() == len(table)


def test_codes_follow_the_sorted_ids_as_in_fastai() -> None:
    ratings = Ratings.from_frame(FRAME)
    assert ratings.users.ids.tolist() == [10, 20, 30]
    assert ratings.items.ids.tolist() == ["a", "b", "c"]
    assert ratings.user_codes.tolist() == [2, 1, 2, 3, 1, 3]


@pytest.mark.parametrize(
    ("user", "known"),
    [
        (pd.array([3, 1, 3, 2, 1, 2], dtype="Int64"), [1, 2, 3]),
        ([3.0, 1.0, 3.0, 2.0, 1.0, 2.0], [1, 2, 3]),
        (np.array([3, 1, 3, 2, 1, 2], dtype=object), [1, 2, 3]),
        (pd.Categorical([3, 1, 3, 2, 1, 2]), [1, 2, 3]),
        ([0.5, 1.5, 0.5, 2.5, 1.5, 2.5], ["0.5", "1.5", "2.5"]),
        ([3, "1", 3, "x", 1, "x"], ["1", "3", "x"]),
    ],
    ids=str,
)
def test_ids_of_any_type_are_whole_numbers_or_text_and_are_found_again(
    user: object, known: list[object]
) -> None:
    ratings = Ratings.from_frame(FRAME.assign(user=user, item=[1, 2, 3, 4, 5, 6]))
    assert ratings.users.ids.tolist() == known
    assert ratings.users.encode(known).tolist() == [1, 2, 3]
    assert ratings.users.encode(list(user)).tolist() == ratings.user_codes.tolist()


def test_without_a_catalogue_the_ids_are_the_titles() -> None:
    assert Ratings.from_frame(FRAME).catalogue["title"].tolist() == ["a", "b", "c"]


def test_the_catalogue_is_cut_to_the_rated_items_and_put_into_code_order() -> None:
    catalogue = Ratings.from_frame(FRAME, items=FILMS).catalogue
    assert list(catalogue.columns) == ["id", "title", "year", "director"]
    assert catalogue.index.tolist() == [1, 2, 3]
    assert catalogue["id"].tolist() == ["a", "b", "c"]
    assert catalogue["title"].tolist() == ["Up (2009)", "b", "Heat (1995)"]
    assert catalogue["director"].tolist() == ["Docter", "Unknown", "Mann"]


def test_an_item_that_the_catalogue_lacks_keeps_its_id_for_a_title() -> None:
    catalogue = Ratings.from_frame(FRAME, items=FILMS[FILMS["id"] != "a"]).catalogue
    assert catalogue["title"].tolist() == ["a", "b", "Heat (1995)"]
    assert pd.isna(catalogue["director"].iloc[0])


def test_of_an_id_twice_in_the_catalogue_the_first_row_counts() -> None:
    twice = pd.concat([FILMS, FILMS.assign(title="again")])
    assert Ratings.from_frame(FRAME, items=twice).catalogue["title"].tolist() == [
        "Up (2009)",
        "b",
        "Heat (1995)",
    ]


def test_user_features_stand_in_code_order() -> None:
    users = pd.DataFrame({"id": [30, 10], "age": [33, 11]})
    features = Ratings.from_frame(FRAME, users=users).user_features
    assert features["id"].tolist() == [10, 20, 30]
    assert features["age"].tolist()[::2] == [11, 33]
    assert pd.isna(features["age"].iloc[1])
    assert "title" not in features


def test_of_a_pair_rated_twice_the_latest_stays_and_the_loss_is_told() -> None:
    table = pd.DataFrame(
        {
            "user": [1, 1, 2, 1],
            "item": [7, 7, 7, 7],
            "rating": [1.0, 2.0, 3.0, 4.0],
            "timestamp": [5, 9, 1, 7],
        }
    )
    with pytest.warns(UserWarning, match="2 ratings dropped.*latest"):
        ratings = Ratings.from_frame(table)
    assert ratings.to_frame()["rating"].tolist() == [2, 3]
    with pytest.warns(UserWarning, match="2 ratings dropped"):
        ratings = Ratings.from_frame(table.drop(columns="timestamp"))
    assert ratings.to_frame()["rating"].tolist() == [3, 4]


@given(table=tables(), again=st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_dropping_duplicates_agrees_with_pandas(table: pd.DataFrame, again: list[int]) -> None:
    repeated = table.iloc[[row % len(table) for row in again]].assign(rating=5.0, timestamp=5)
    table = pd.concat([table, repeated], ignore_index=True)
    latest = table.sort_values("timestamp", kind="stable").drop_duplicates(
        ["user", "item"], keep="last"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ratings = Ratings.from_frame(table, feedback="explicit")
    expected = latest.sort_index().reset_index(drop=True)
    pd.testing.assert_frame_equal(ratings.to_frame(), expected, check_dtype=False)


@pytest.mark.parametrize(
    ("table", "row", "column", "message"),
    [
        (FRAME.drop(columns="item"), None, "item", "missing; it has user, rating, timestamp"),
        (FRAME.iloc[:0], None, None, "no ratings"),
        (FRAME.assign(user=[1, None, 3, 4, 5, 6]), 1, "user", "the id is missing"),
        (FRAME.assign(rating=[1, 2, float("nan"), 4, 5, 1]), 2, "rating", "'nan' is not a rating"),
        (FRAME.assign(rating=[1, 2, 3, float("inf"), 5, 1]), 3, "rating", "'inf' is not a rating"),
        (FRAME.assign(rating=list("12x451")), 2, "rating", "'x' is not a rating"),
        (FRAME.assign(timestamp=list("1234y6")), 4, "timestamp", "'y' is not a time"),
    ],
)
def test_a_bad_frame_is_told_with_row_and_column(
    table: pd.DataFrame, row: int | None, column: str | None, message: str
) -> None:
    with pytest.raises(DataFormatError, match=message) as caught:
        Ratings.from_frame(table)
    assert (caught.value.file, caught.value.line, caught.value.column) == ("DataFrame", row, column)


def test_a_catalogue_without_ids_is_refused() -> None:
    with pytest.raises(DataFormatError) as caught:
        Ratings.from_frame(FRAME, items=FILMS.drop(columns="id"))
    assert caught.value.column == "id"


@given(table=tables(), seed=st.integers(0, 100), share=st.floats(0.05, 0.95))
def test_a_random_split_deals_every_rating_to_one_side(
    table: pd.DataFrame, seed: int, share: float
) -> None:
    ratings = Ratings.from_frame(table)
    held_out = int(share * len(table))
    if held_out == 0:
        with pytest.raises(ValueError, match="too few"):
            ratings.split(share, seed)
        return
    train, valid = ratings.split(share, seed)
    assert len(valid) == held_out
    both = pd.concat([train.to_frame(), valid.to_frame()])
    columns = ["user", "item"]
    pd.testing.assert_frame_equal(
        both.sort_values(columns).reset_index(drop=True),
        ratings.to_frame().sort_values(columns).reset_index(drop=True),
    )
    again = ratings.split(share, seed)[1]
    pd.testing.assert_frame_equal(again.to_frame(), valid.to_frame())


@pytest.mark.parametrize("by", ["random", "time", "user"])
def test_both_sides_of_a_split_share_vocabularies_and_catalogue(by: str) -> None:
    ratings = Ratings.from_frame(FRAME, items=FILMS)
    train, valid = ratings.split(0.5, by=by)
    assert train.users == valid.users == ratings.users
    assert train.items == valid.items == ratings.items
    assert train.catalogue is ratings.catalogue


@given(table=tables(), share=st.floats(0.05, 0.95))
def test_a_split_by_time_holds_out_the_last_ratings_of_each_user(
    table: pd.DataFrame, share: float
) -> None:
    try:
        train, valid = Ratings.from_frame(table).split(share, by="time")
    except ValueError:
        assert (table.groupby("user").size() * share < 1).all()
        return
    first, last = train.to_frame(), valid.to_frame()
    assert set(first["user"]) == set(table["user"])
    for user, rows in last.groupby("user"):
        stayed = first[first["user"] == user]
        assert stayed["timestamp"].max() <= rows["timestamp"].min()
        assert len(rows) <= share * (len(rows) + len(stayed)) + 1e-9


@given(table=tables(), seed=st.integers(0, 100))
def test_a_split_by_user_keeps_each_user_on_one_side(table: pd.DataFrame, seed: int) -> None:
    ratings = Ratings.from_frame(table)
    if table["user"].nunique() < 2:
        with pytest.raises(ValueError, match="too few"):
            ratings.split(0.5, seed, by="user")
        return
    train, valid = ratings.split(0.5, seed, by="user")
    users = set(valid.to_frame()["user"])
    assert users.isdisjoint(train.to_frame()["user"])
    assert len(users) == round(0.5 * table["user"].nunique())


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_outside_0_and_1_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Ratings.from_frame(FRAME).split(share)


def test_the_last_rating_of_each_user_is_held_out_if_there_are_two() -> None:
    ratings = Ratings.from_frame(
        pd.DataFrame(
            {"user": [1, 1, 1, 2], "item": [5, 6, 7, 5], "rating": 3, "timestamp": [9, 30, 20, 1]}
        )
    )
    train, last = ratings.split(by="last")
    assert last.to_frame()[["user", "item"]].to_numpy().tolist() == [[1, 6]]
    assert len(train) == 3


def test_an_unknown_split_and_a_split_by_missing_time_are_refused() -> None:
    ratings = Ratings.from_frame(FRAME.drop(columns="timestamp"))
    with pytest.raises(ValueError, match="random, time, last, user"):
        ratings.split(by="item")
    with pytest.raises(ValueError, match="no timestamps"):
        ratings.split(by="time")


def test_the_crosstab_shows_the_most_active_users_and_the_most_rated_items() -> None:
    table = Ratings.from_frame(FRAME, items=FILMS).crosstab(users=2, items=2)
    assert table.index.tolist() == [10, 20]
    assert table.columns.tolist() == ["Up (2009)", "Heat (1995)"]
    assert table.fillna(0).to_numpy().tolist() == [[3.5, 2], [5, 0]]


def test_a_crosstab_is_never_larger_than_the_ratings() -> None:
    assert Ratings.from_frame(FRAME).crosstab().shape == (3, 3)


def test_recoding_takes_the_vocabularies_of_other_ratings() -> None:
    model = Ratings.from_frame(FRAME, items=FILMS)
    visitor = pd.DataFrame({"user": [20, 77], "item": ["c", "new"], "rating": [5.0, 1.0]})
    recoded = Ratings.from_frame(visitor).recode(model.users, model.items)
    assert recoded.user_codes.tolist() == [2, 0]
    assert recoded.item_codes.tolist() == [3, 0]
    assert recoded.catalogue["id"].tolist() == ["a", "b", "c"]
    assert recoded.to_frame()["item"].tolist() == ["c", NA]


def test_25_million_ratings_take_at_most_500_mb() -> None:
    ratings = Ratings.from_frame(FRAME)
    columns = (ratings.user_codes, ratings.item_codes, ratings.stars, ratings.timestamps)
    assert sum(column.nbytes for column in columns) / len(ratings) * 25e6 <= 500e6
