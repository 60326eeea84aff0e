"""What eight made-up people are shown on ml-latest-small, judged by what a knowing friend accepts.

Each gives 5 to 8 ratings. The rules use what anybody can look up: genres and years as the catalogue
has them, and for films that are not in English the other title that the catalogue prints in
brackets, or the table `NOT_IN_ENGLISH`. Share of accepted titles among the first twelve: before,
``recommend(ratings=...)``; after, ``familiarity="mix"``, which is what the Space shows first.
Models are trained with the defaults on 80 % of the ratings; means over three splits.

Run from the repository root::

    python benchmarks/eight_people.py --data DATA/ml-latest-small

Prints Markdown and writes it to ``benchmarks/results/eight_people.md``. The people were looked at
while the lists were made, so that they are a check of what people believe and no test on unseen
data; the blend itself was chosen by ``benchmarks/visitor_blend.py``.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from statistics import mean

import hf_cf
from hf_cf.training import fit

ROOT = Path(__file__).parent
SEEDS = (0, 1, 2)
SHOWN = 12
LISTS = {
    "before": None, "after": "mix", "favourites": "favourites", "lesser known": "lesser_known",
    "hidden gems": "hidden_gems",
}  # fmt: skip

NOT_IN_ENGLISH = {
    "Sweden": ["Persona (1966)", "Fanny and Alexander (Fanny och Alexander) (1982)"],
    "Japan": ["Yojimbo (1961)", "Ran (1985)", "Sanjuro (Tsubaki Sanjûrô) (1962)"],
    "Italy": ["Amarcord (1973)", "Suspiria (1977)"],
    "Germany": ["M (1931)", "Fitzcarraldo (1982)", "Downfall (Untergang, Der) (2004)"],
    "Spain": ["Talk to Her (Hable con Ella) (2002)", "Volver (2006)"],
    "Hong Kong": ["2046 (2004)", "Fallen Angels (Duo luo tian shi) (1995)"],
    "France": ["Au Revoir les Enfants (1987)", "Delicatessen (1991)", "Irreversible (2002)"],
    "Denmark": ["Italian for Beginners (2000)"],
    "Mexico": ["Amores Perros (Love's a Bitch) (2000)"],
}
"""Films by country in which the spoken language is not English."""

_OTHER_TITLE = re.compile(r"\((?!a\.k\.a\.)[^()]*\)\s*\(\d{4}\)$|, (La|Le|Les|L'|Il|El|Das|Der)\b")
_ABROAD = {title for titles in NOT_IN_ENGLISH.values() for title in titles}

Accepts = Callable[[str, int, set[str]], bool]
"""Title, year and genres of a film to whether a friend would accept it."""

PEOPLE: dict[str, tuple[str, dict[str, float], Accepts]] = {
    "horror": (
        "genre Horror",
        {
            "Halloween (1978)": 5, "Nightmare on Elm Street, A (1984)": 5,
            "Exorcist, The (1973)": 4.5, "Texas Chainsaw Massacre, The (1974)": 4.5,
            "Evil Dead, The (1981)": 5, "Thing, The (1982)": 5, "Notting Hill (1999)": 1.5,
        },
        lambda _title, _year, genres: "Horror" in genres,
    ),
    "Ghibli and animation": (
        "genre Animation",
        {
            "Spirited Away (Sen to Chihiro no kamikakushi) (2001)": 5,
            "My Neighbor Totoro (Tonari no Totoro) (1988)": 5,
            "Princess Mononoke (Mononoke-hime) (1997)": 5, "Akira (1988)": 4.5,
            "WALL·E (2008)": 4, "Iron Giant, The (1999)": 4.5,
            "Ghost in the Shell (Kôkaku kidôtai) (1995)": 4,
        },
        lambda _title, _year, genres: "Animation" in genres,
    ),
    "Bergman, Fellini, Wong, Kurosawa": (
        "not in English",
        {
            "Seventh Seal, The (Sjunde inseglet, Det) (1957)": 5, "8 1/2 (8½) (1963)": 5,
            "In the Mood For Love (Fa yeung nin wa) (2000)": 5,
            "Seven Samurai (Shichinin no samurai) (1954)": 4.5,
            "Wild Strawberries (Smultronstället) (1957)": 4.5,
            "Chungking Express (Chung Hing sam lam) (1994)": 4.5,
        },
        lambda title, _year, _genres: title in _ABROAD or bool(_OTHER_TITLE.search(title)),
    ),
    "Titanic and other romances": (
        "genre Romance",
        {
            "Titanic (1997)": 5, "Notebook, The (2004)": 5, "Ghost (1990)": 4.5,
            "Dirty Dancing (1987)": 5, "Sleepless in Seattle (1993)": 4,
        },
        lambda _title, _year, genres: "Romance" in genres,
    ),
    "quiet dramas, three half stars": (
        "genre Drama, neither Action nor Sci-Fi",
        {
            "Wild Wild West (1999)": 0.5, "Batman & Robin (1997)": 0.5,
            "Star Wars: Episode I - The Phantom Menace (1999)": 0.5,
            "Remains of the Day, The (1993)": 5, "Sense and Sensibility (1995)": 5,
            "Lost in Translation (2003)": 4.5, "Piano, The (1993)": 4.5,
        },
        lambda _title, _year, genres: "Drama" in genres and not genres & {"Action", "Sci-Fi"},
    ),
    "old Hollywood": (
        "made before 1970",
        {
            "Casablanca (1942)": 5, "Philadelphia Story, The (1940)": 5, "Notorious (1946)": 4.5,
            "Maltese Falcon, The (1941)": 4.5, "Singin' in the Rain (1952)": 5,
            "All About Eve (1950)": 4.5,
        },
        lambda _title, year, _genres: year < 1970,
    ),
    "silly comedies": (
        "genre Comedy, neither Drama nor Thriller",
        {
            "Dumb & Dumber (Dumb and Dumber) (1994)": 5, "Ace Ventura: Pet Detective (1994)": 4.5,
            "Wayne's World (1992)": 5, "Happy Gilmore (1996)": 4.5, "Airplane! (1980)": 5,
            "Austin Powers: International Man of Mystery (1997)": 4.5,
        },
        lambda _title, _year, genres: "Comedy" in genres and not genres & {"Drama", "Thriller"},
    ),
    "superheroes": (
        "genre Action, made since 2000",
        {
            "Iron Man (2008)": 5, "Avengers, The (2012)": 5, "Guardians of the Galaxy (2014)": 5,
            "X-Men: First Class (2011)": 4.5, "Spider-Man 2 (2004)": 4,
            "Captain America: The Winter Soldier (2014)": 4.5,
        },
        lambda _title, year, genres: year >= 2000 and "Action" in genres,
    ),
}  # fmt: skip
"""What each likes: the rule in words, the ratings, and the rule."""


def shares(rec: hf_cf.Recommender, name: str) -> dict[str, tuple[float, list[str]]]:
    """Share of accepted titles of each list, and the titles, accepted ones first marked ``+``."""
    _, ratings, accepts = PEOPLE[name]
    films = rec.catalogue.set_index("id")
    found = {}
    for label, familiarity in LISTS.items():
        shown = films.loc[rec.recommend(ratings=ratings, n=SHOWN, familiarity=familiarity)["item"]]
        rows = zip(shown["title"], shown["year"].fillna(0), shown["genres"], strict=True)
        judged = [
            (title, accepts(title, int(year), set(of.split("|")))) for title, year, of in rows
        ]
        marked = [("" if fine else "- ") + title for title, fine in judged]
        found[label] = sum(fine for _, fine in judged) / SHOWN, marked
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/ml-latest-small"))
    ratings = hf_cf.load_ratings(parser.parse_args().data)
    models = [fit(*_split(ratings, seed), progress=False) for seed in SEEDS]
    head = " | ".join(LISTS)
    report = (
        "# What eight made-up people are shown\n\nShare of titles among the first twelve that a "
        "knowing friend would accept, ml-latest-small, mean over three splits. *Before* is the "
        'plain order of the scores, *after* is the Space\'s first list (`familiarity="mix"`).\n\n'
        f"| person | accepted | {head} |\n|---|---|" + "---|" * len(LISTS) + "\n"
    )
    lists = ""
    for name, (rule, _, _) in PEOPLE.items():
        found = [shares(rec, name) for rec in models]
        values = " | ".join(f"{mean(each[label][0] for each in found):.2f}" for label in LISTS)
        report += f"| {name} | {rule} | {values} |\n"
        lists += f"\n**{name}**, after, split 0: " + "; ".join(found[0]["after"][1]) + "\n"
    report += "\nA minus stands before what is not accepted.\n" + lists
    print(report)
    (ROOT / "results" / "eight_people.md").write_text(report)


def _split(ratings: hf_cf.Ratings, seed: int) -> tuple[hf_cf.Ratings, hf_cf.Ratings]:
    return ratings.split(0.2, seed)


if __name__ == "__main__":
    main()
