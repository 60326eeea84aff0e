"""What people type finds what they mean: titles, initials, numbers of a series, years, makers."""

from __future__ import annotations

import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hf_cf
from hf_cf.data.catalogue import Catalogue
from hf_cf.data.title_search import TitleIndex
from hf_cf.data.vocab import Vocab

SERIES = {
    "Lord of the Rings: The Fellowship of the Ring, The (2001)": 200,
    "Lord of the Rings: The Two Towers, The (2002)": 190,
    "Lord of the Rings: The Return of the King, The (2003)": 185,
    "Lord of the Rings, The (1978)": 14,
    "Lotte in Town (1994)": 3,
    "Harry Potter and the Sorcerer's Stone (2001)": 110,
    "Harry Potter and the Chamber of Secrets (2002)": 100,
    "Harry Potter and the Prisoner of Azkaban (2004)": 95,
    "Harry Potter and the Goblet of Fire (2005)": 70,
    "Raiders of the Lost Ark (Indiana Jones and the Raiders of the Lost Ark) (1981)": 200,
    "Indiana Jones and the Temple of Doom (1984)": 110,
    "Indiana Jones and the Last Crusade (1989)": 140,
    "Star Wars: Episode IV - A New Hope (1977)": 250,
    "Star Wars: Episode V - The Empire Strikes Back (1980)": 210,
    "Star Wars: Episode VI - Return of the Jedi (1983)": 190,
    "Star Wars: Episode III - Revenge of the Sith (2005)": 78,
    "Godfather, The (1972)": 192,
    "Godfather: Part II, The (1974)": 129,
    "Alien (1979)": 146,
    "Alien³ (a.k.a. Alien 3) (1992)": 40,
    "Fast Five (Fast and the Furious 5, The) (2011)": 20,
    "Fast and the Furious, The (2001)": 50,
    "E.T. the Extra-Terrestrial (1982)": 122,
    "Eternal Sunshine of the Spotless Mind (2004)": 131,
    "2001: A Space Odyssey (1968)": 109,
    "Forrest Gump (1994)": 329,
    "Pulp Fiction (1994)": 307,
    "American History X (1998)": 129,
    "Dark Knight, The (2008)": 149,
}
BOOKS = pd.DataFrame(
    {
        "id": range(6),
        "title": ["The Silver Lake", "Alder Wood", "Night Ferry (Harbour Tales, #1)",
                  "Cold Quay (Harbour Tales, #2)", "The Lantern", "Untold"],
        "author": ["Ines Alder", "Tomasz Berg", "J.R.R. Ostrava", "J.R.R. Ostrava",
                   "Ines Alder, Tomasz Berg", None],
        "year": pd.array([1994, 1994, 2001, 1999, None, 1994], "Int32"),
        "n_ratings": [5, 9, 4, 20, 3, 1],
    },
    index=range(1, 7),
)  # fmt: skip


@pytest.fixture(scope="module")
def series() -> TitleIndex:
    titles = pd.Series([*SERIES], index=range(1, len(SERIES) + 1))
    return TitleIndex(titles, np.array([*SERIES.values()]))


@pytest.fixture(scope="module")
def books() -> Catalogue:
    return Catalogue(Vocab(BOOKS["id"].tolist()), BOOKS)


@pytest.fixture(scope="module")
def films(sample: hf_cf.Ratings) -> TitleIndex:
    return TitleIndex(sample.catalogue["title"], sample.item_counts()[1:])


@pytest.fixture(scope="module")
def titles(sample: hf_cf.Ratings) -> dict[int, str]:
    return sample.catalogue["title"].to_dict()


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("the matrix", "Matrix, The (1999)"),
        ("matrix", "Matrix, The (1999)"),
        ("Matrix, The", "Matrix, The (1999)"),
        ("THE MATRIX (1999)", "Matrix, The (1999)"),
        ("teh matrx", "Matrix, The (1999)"),
        ("silence of the lamb", "Silence of the Lambs, The (1991)"),
        ("scilence of the lambs", "Silence of the Lambs, The (1991)"),
        ("pulp ficton 1994", "Pulp Fiction (1994)"),
        ("a few good men", "Few Good Men, A (1992)"),
        ("shawshank", "Shawshank Redemption, The (1994)"),
        ("la dolce vita", "Dolce Vita, La (1960)"),
        ("das boot", "Boot, Das (Boat, The) (1981)"),
        ("Amélie", "Amelie (Fabuleux destin d'Amélie Poulain, Le) (2001)"),
        ("leon the professional",
         "Léon: The Professional (a.k.a. The Professional) (Léon) (1994)"),
        ("y tu mama tambien", "Y Tu Mamá También (2001)"),
        ("wall-e", "WALL·E (2008)"),
        ("mash", "M*A*S*H (a.k.a. MASH) (1970)"),
        ("seven samurai", "Seven Samurai (Shichinin no samurai) (1954)"),
        ("return of the king", "Lord of the Rings: The Return of the King, The (2003)"),
        ("the good, the bad and the ugly",
         "Good, the Bad and the Ugly, The (Buono, il brutto, il cattivo, Il) (1966)"),
        ("dracula 1992", "Dracula (Bram Stoker's Dracula) (1992)"),
        ("dracula 1931", "Dracula (1931)"),
        ("blade runner", "Blade Runner (1982)"),
        ("blade runner 1982", "Blade Runner (1982)"),
        ("blade runner 2049", "Blade Runner 2049 (2017)"),
        ("Blade Runner 2049 (2017)", "Blade Runner 2049 (2017)"),
        ("the matrix 1998", "Matrix, The (1999)"),
    ],
)  # fmt: skip
def test_the_film_that_is_meant_comes_first(
    films: TitleIndex, titles: dict[int, str], typed: str, title: str
) -> None:
    codes, likeness = films.nearest(typed)
    assert titles[codes[0]] == title
    assert 60 <= likeness[0] <= 100


@pytest.mark.parametrize("typed", ["qwzx kjhgv plmokn", "", "   ", "?!", "()", "\x00"])
def test_nothing_near_is_nothing(films: TitleIndex, typed: str) -> None:
    codes, likeness = films.nearest(typed)
    assert len(codes) == len(likeness) == 0


def test_every_film_is_found_by_its_own_title(films: TitleIndex, titles: dict[int, str]) -> None:
    missed = [title for code, title in titles.items() if films.nearest(title, 1)[0][0] != code]
    assert missed == []


@given(typed=st.text(max_size=50), n=st.integers(1, 20))
def test_whatever_is_typed_gives_at_most_n_different_films(
    films: TitleIndex, typed: str, n: int
) -> None:
    codes, likeness = films.nearest(typed, n)
    assert len(codes) <= n
    assert len(set(codes.tolist())) == len(codes)
    assert ((likeness >= 60) & (likeness <= 100)).all()


def test_a_very_long_text_is_cut_not_waited_for(films: TitleIndex) -> None:
    codes, _ = films.nearest("the matrix " * 100_000)
    assert len(codes) <= 5


def test_of_equal_titles_the_best_known_comes_first() -> None:
    index = TitleIndex(pd.Series(["Heat", "Heat", "Heat"], index=[1, 2, 3]), np.array([5, 900, 0]))
    assert index.nearest("heat")[0].tolist() == [2, 1, 3]
    assert index.exact("Heat") == [1, 2, 3]
    assert index.exact("heat") == []


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("lotr", "Lord of the Rings: The Fellowship of the Ring, The (2001)"),
        ("LOTR", "Lord of the Rings: The Fellowship of the Ring, The (2001)"),
        ("lotr 3", "Lord of the Rings: The Return of the King, The (2003)"),
        ("lotr two towers", "Lord of the Rings: The Two Towers, The (2002)"),
        ("hp", "Harry Potter and the Sorcerer's Stone (2001)"),
        ("tdk", "Dark Knight, The (2008)"),
        ("et", "E.T. the Extra-Terrestrial (1982)"),
        ("harry potter 3", "Harry Potter and the Prisoner of Azkaban (2004)"),
        ("harry poter iv", "Harry Potter and the Goblet of Fire (2005)"),
        ("indiana jones 3", "Indiana Jones and the Last Crusade (1989)"),
        ("star wars 3", "Star Wars: Episode III - Revenge of the Sith (2005)"),
        ("star wars episode 5", "Star Wars: Episode V - The Empire Strikes Back (1980)"),
        ("the godfather part 2", "Godfather: Part II, The (1974)"),
        ("alien 3", "Alien³ (a.k.a. Alien 3) (1992)"),
        ("fast and furious 5", "Fast Five (Fast and the Furious 5, The) (2011)"),
        ("american history x", "American History X (1998)"),
        ("1994", "Forrest Gump (1994)"),
        ("2001", "2001: A Space Odyssey (1968)"),
    ],
)
def test_initials_numbers_and_years_find_what_is_meant(
    series: TitleIndex, typed: str, title: str
) -> None:
    codes, _ = series.nearest(typed)
    assert [*SERIES][codes[0] - 1] == title


def test_a_year_gives_the_best_known_of_it(series: TitleIndex) -> None:
    codes, _ = series.nearest("1994")
    found = [[*SERIES][code - 1] for code in codes]
    assert found == ["Forrest Gump (1994)", "Pulp Fiction (1994)", "Lotte in Town (1994)"]


@pytest.mark.parametrize(
    ("typed", "titles"),
    [
        ("alder", ["Alder Wood", "The Silver Lake", "The Lantern"]),
        ("ines alder", ["The Silver Lake", "The Lantern"]),
        ("jrr ostrava", ["Cold Quay (Harbour Tales, #2)", "Night Ferry (Harbour Tales, #1)"]),
        ("Ostrva", ["Cold Quay (Harbour Tales, #2)", "Night Ferry (Harbour Tales, #1)"]),
        ("harbour tales 1", ["Night Ferry (Harbour Tales, #1)"]),
        ("1994", ["Alder Wood", "The Silver Lake", "Untold"]),
    ],
)
def test_makers_and_years_of_the_catalogue(books: Catalogue, typed: str, titles: list[str]) -> None:
    found = books.find(typed, 10)
    assert found["title"].tolist()[: len(titles)] == titles
    assert found["likeness"].between(60, 100).all()


def test_of_many_titles_each_is_found_also_misspelt() -> None:
    """More than are looked at one by one."""
    chance = np.random.default_rng(0)
    letters = np.array([*string.ascii_lowercase])
    words = ["".join(chance.choice(letters, 7)) for _ in range(900)]
    titles = [" ".join(chance.choice(words, 3, replace=False)) for _ in range(6000)]
    index = TitleIndex(
        pd.Series(titles, index=range(1, 6001)), chance.integers(0, 1000, len(titles))
    )
    for at in range(0, 6000, 60):
        title = titles[at]
        for typed in (title, title[:9] + title[10:], title[:12]):
            assert titles[index.nearest(typed, 1)[0][0] - 1].startswith(title[:9]), typed


@pytest.mark.parametrize("typed", ["千と千尋", "Сталкер", "сталкре"])
def test_titles_of_any_script(typed: str) -> None:
    titles = [*(f"название {n}" for n in range(2000)), "千と千尋の神隠し", "Сталкер (1979)"]
    index = TitleIndex(pd.Series(titles, index=range(1, 2003)), np.ones(2002, np.int64))
    assert titles[index.nearest(typed, 1)[0][0] - 1][0].casefold() == typed[0].casefold()
