"""The embedded sample: well-known films, and ratings generated from planted tastes.

The films are facts. The people are not: each is drawn with likes and dislikes for genres, themes
and eras, watches more of what they like, and rates it with the habits and the noise of MovieLens.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
import numpy.typing as npt
import pandas as pd

from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import DataSource, RatingScale

SCALE = RatingScale(0.5, 5.0, 0.5)
SOURCE = DataSource(
    name="sample",
    licence="Generated ratings, not people's; free to use under Apache-2.0. Film titles are facts.",
    synthetic=True,
    noun="film",
)

N_USERS = 600
SEED = 20240601
FIRST_DAY = 1_735_689_600  # 2025-01-01, when every film of the catalogue was out
DAY = 86_400
HOUR = 3_600

# How far a taste moves a rating, in stars, and the noise that no taste explains. Together they put
# the gain of a matrix factorization over a bias baseline at 5 to 8 % of its RMSE.
TASTE_STARS = 1.7
NOISE_STARS = 0.62
USER_BIAS_STARS = 0.42
FILM_BIAS_STARS = 0.2
ACCLAIM_STARS = 0.35
MEAN_STARS = 3.1

# How strongly people choose what they like, and the famous and the good before others (log odds).
TASTE_PULL = 1.7
FAME_PULL = 0.75
QUALITY_PULL = 1.2
FILM_PULL_SPREAD = 0.4

# Rarity weighs a trait too, so a theme says more about a taste than a genre, and a decade least.
GENRE_WEIGHT = 0.95
THEME_WEIGHT = 1.0
ERA_WEIGHT = 0.45
ERAS = np.array([1940, 1955, 1970, 1983, 1994, 2004, 2014, 2023])
ERA_WIDTH = 9.0
FORMATIVE_FILMS = 12

AGE_RANGE = (16, 76)
OCCUPATION_SHIFT = 0.25
ERA_SHIFT_OF_AGE = 0.25
OCCUPATION_TASTES: dict[str, tuple[str, ...]] = {
    "artist": ("art-house", "Fantasy", "Musical"),
    "educator": ("Drama", "Documentary", "biopic"),
    "engineer": ("Sci-Fi", "space", "robots"),
    "executive": ("business", "spy", "sports"),
    "healthcare": ("Drama", "family-drama", "rom-com"),
    "homemaker": ("Children", "disney", "Romance"),
    "lawyer": ("courtroom", "politics", "Crime"),
    "librarian": ("Mystery", "costume", "Film-Noir"),
    "programmer": ("Sci-Fi", "mind-bender", "anime"),
    "retired": ("War", "Western", "Musical"),
    "salesperson": ("Action", "Comedy", "sports"),
    "scientist": ("Documentary", "Sci-Fi", "mind-bender"),
    "student": ("superhero", "Horror", "raunchy"),
    "technician": ("Action", "cars", "dystopia"),
    "writer": ("noir", "newsroom", "dark-comedy"),
    "other": (),
}


def load_sample() -> Ratings:
    """Generate the sample: about 60,000 synthetic ratings of well-known films by 600 users.

    Every call gives the same ratings.

    Returns
    -------
    Ratings
        Half stars from 0.5 to 5, with timestamps (2025), the catalogue, and the user features
        ``age`` and ``occupation``, which weakly shift tastes. ``source.synthetic`` is true.
    """
    films = _read_films()
    rng = np.random.default_rng(SEED)
    names, profiles = _profiles(films)
    users = _draw_users(rng)
    tastes = _draw_tastes(rng, users, names, profiles)
    # Tastes are multiples of 2**-24 and profiles of 2**-12, all small: every partial sum is exact
    # in float64, so no BLAS, whatever its order of summing, can move a rating over a threshold.
    likes = tastes @ profiles.T
    film_bias = _draw_film_biases(rng, films)

    user_rows, film_rows = _draw_choices(rng, likes, films, film_bias)
    stars = _draw_stars(rng, likes, film_bias, user_rows, film_rows)
    return Ratings.assemble(
        users["id"].to_numpy()[user_rows],
        films["id"].to_numpy()[film_rows],
        stars,
        _draw_times(rng, user_rows),
        catalogue=films[["id", "title", "year", "genres"]],
        user_features=users,
        scale=SCALE,
        source=SOURCE,
    )


def _read_films() -> pd.DataFrame:
    """The catalogue with the generator's columns: themes, fame and acclaim (1 to 5)."""
    path = resources.files("hf_cf.data.readers") / "sample_films.csv"
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False)


def _profiles(films: pd.DataFrame) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Names of the traits, and the films' traits as rows of about unit length.

    The dot product of two rows is how much two films have in common.
    """
    genres = films["genres"].str.get_dummies("|")
    themes = films["themes"].str.get_dummies("|")

    def weigh(table: pd.DataFrame, weight: float) -> npt.NDArray[np.float64]:
        # What few films share binds them more: drama is half of the catalogue and says little.
        flags = table.to_numpy(np.float64)
        return flags * weight * np.sqrt(np.log(len(films) / flags.sum(0)))

    years = films["year"].to_numpy()[:, None]
    eras = ERA_WEIGHT * np.exp(-0.5 * ((years - ERAS) / ERA_WIDTH) ** 2)
    traits = np.hstack([weigh(genres, GENRE_WEIGHT), weigh(themes, THEME_WEIGHT), eras])
    names = [*genres.columns, *themes.columns, *(f"era {year}" for year in ERAS)]
    unit = traits / np.sqrt((traits**2).sum(1, keepdims=True))
    # Without the mean a taste sets films apart; liking them all is the user's bias.
    return names, _on_grid(unit - unit.mean(0))


def _draw_users(rng: np.random.Generator) -> pd.DataFrame:
    low, high = AGE_RANGE
    # The smaller of two draws: more young people than old, as on MovieLens.
    ages = rng.integers(low, high, size=(2, N_USERS)).min(0)
    occupations = np.array(list(OCCUPATION_TASTES), dtype=object)
    drawn = occupations[rng.integers(len(occupations), size=N_USERS)]
    drawn[ages >= 66] = "retired"
    drawn[ages < 20] = "student"
    return pd.DataFrame({"id": np.arange(1, N_USERS + 1), "age": ages, "occupation": drawn})


def _draw_tastes(
    rng: np.random.Generator,
    users: pd.DataFrame,
    names: list[str],
    profiles: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """How much each user likes each trait, shape (users, traits)."""
    # A taste is the sum of a few films that somebody loves or cannot stand, not a draw for each
    # trait alone: who likes robots likes space, because the same films have both.
    n_films = len(profiles)
    tastes = np.zeros((len(users), len(names)))
    for _ in range(FORMATIVE_FILMS):
        film = rng.integers(n_films, size=len(users))
        tastes += _on_grid(rng.standard_normal((len(users), 1))) * profiles[film]
    column = {name: index for index, name in enumerate(names)}
    for occupation, liked in OCCUPATION_TASTES.items():
        rows = (users["occupation"] == occupation).to_numpy()
        for name in liked:
            tastes[rows, column[name]] += OCCUPATION_SHIFT
    age = (users["age"].to_numpy() - 40) / 15
    era = (ERAS - 1994) / 25
    tastes[:, -len(ERAS) :] -= _on_grid(ERA_SHIFT_OF_AGE * age[:, None] * era)
    return tastes


def _draw_film_biases(rng: np.random.Generator, films: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Stars by which each film is liked beyond taste: its acclaim, and chance."""
    acclaim = films["acclaim"].to_numpy() - 4
    return ACCLAIM_STARS * acclaim + FILM_BIAS_STARS * rng.standard_normal(len(films))


def _draw_choices(
    rng: np.random.Generator,
    likes: npt.NDArray[np.float64],
    films: pd.DataFrame,
    film_bias: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Who rated what, in the order in which they rated it: rows of users and of films.

    A user rates a skewed number of films, at least 20, drawn without replacement with odds that
    grow with fame and with the user's liking: the largest of log odds plus Gumbel noise.
    """
    n_users, n_films = likes.shape
    activity = 20 + np.exp(3.9 + 1.1 * rng.standard_normal(n_users))
    counts = np.minimum(activity, 0.8 * n_films).astype(np.int64)
    known = FAME_PULL * films["fame"].to_numpy() + QUALITY_PULL * film_bias
    chance = FILM_PULL_SPREAD * rng.standard_normal(n_films)
    odds = known + chance + TASTE_PULL * likes + rng.gumbel(size=likes.shape)
    order = np.argsort(-odds, axis=1, kind="stable")
    chosen = np.arange(n_films) < counts[:, None]
    return np.repeat(np.arange(n_users), counts), order[chosen]


def _draw_stars(
    rng: np.random.Generator,
    likes: npt.NDArray[np.float64],
    film_bias: npt.NDArray[np.float64],
    user_rows: npt.NDArray[np.int64],
    film_rows: npt.NDArray[np.int64],
) -> npt.NDArray[np.float32]:
    n_users = len(likes)
    user_bias = USER_BIAS_STARS * rng.standard_normal(n_users)
    # Some people use the whole scale and some a part of it.
    spread = np.exp(0.2 * rng.standard_normal(n_users))
    noise = NOISE_STARS * rng.standard_normal(len(user_rows))
    opinion = film_bias[film_rows] + TASTE_STARS * likes[user_rows, film_rows] + noise
    stars = MEAN_STARS + user_bias[user_rows] + spread[user_rows] * opinion
    # A third of the users never give half stars; to the others a whole star comes easier too.
    whole_share = np.where(rng.random(n_users) < 0.35, 1.0, 0.2)
    whole = rng.random(len(stars)) < whole_share[user_rows]
    rounded = np.where(whole, np.maximum(np.rint(stars), 1), np.rint(2 * stars) / 2)
    return np.clip(rounded, SCALE.min, SCALE.max).astype(np.float32)


def _draw_times(
    rng: np.random.Generator, user_rows: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Seconds since 1970: sessions of a rating every minute or so, some days or weeks apart."""
    n = len(user_rows)
    pause = rng.integers(HOUR, 14 * DAY, size=n)
    gap = np.where(rng.random(n) < 0.03, pause, rng.integers(5, 120, size=n))
    first = np.flatnonzero(np.append(True, user_rows[1:] != user_rows[:-1]))
    elapsed = np.cumsum(gap)
    arrival = FIRST_DAY + rng.integers(0, 180 * DAY, size=len(first))
    return arrival[user_rows] + elapsed - elapsed[first][user_rows]


def _on_grid(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.rint(values * 4096) / 4096
