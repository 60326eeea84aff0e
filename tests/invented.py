"""Small data in every GroupLens layout: the films exist, the people and their ratings do not."""

from __future__ import annotations

import zipfile
from pathlib import Path

"""Where the real data lies on machines that have it."""

RATINGS = [
    (1, 1, 5, 880000000),
    (1, 2, 3, 880000100),
    (2, 1, 4, 880000200),
    (2, 3, 2, 880000300),
    (3, 4, 1, 880000400),
    (3, 5, 4, 880000450),
    (1, 5, 2, 880000500),
]
"""User, item, stars and time. Items 2 and 5 share their title."""

_GENRES_100K = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)


def _item_100k(number: int, title: str, released: str, *genres: str) -> str:
    flags = "|".join(str(int(genre in genres)) for genre in _GENRES_100K)
    return f"{number}|{title}|{released}||http://example.org/{number}|{flags}\n"


FILES: dict[str, dict[str, bytes]] = {
    "ml-100k": {
        "u.data": "".join("\t".join(map(str, row)) + "\n" for row in RATINGS).encode(),
        "u1.base": "".join("\t".join(map(str, row)) + "\n" for row in RATINGS[:4]).encode(),
        "u.genre": "".join(f"{g}|{i}\n" for i, g in enumerate(_GENRES_100K)).encode() + b"\n",
        "u.item": (
            _item_100k(1, "Toy Story (1995)", "01-Jan-1995", "Animation", "Children's", "Comedy")
            + _item_100k(2, "Chasing Amy (1997)", "01-Jan-1997", "Drama", "Romance")
            + _item_100k(3, 'Misérables, "Les"', "20-Oct-1995", "Drama")
            + _item_100k(4, "unknown", "", "unknown")
            + _item_100k(5, "Chasing Amy (1997)", "01-Jan-1997", "Drama", "Romance")
        ).encode("latin-1"),
        "u.user": b"1|24|M|technician|00001\n2|53|F|other|00002\n3|23|M|writer|T8H1N\n",
    },
    "ml-1m": {
        "ratings.dat": "".join("::".join(map(str, row)) + "\n" for row in RATINGS).encode(),
        "movies.dat": (
            "1::Toy Story (1995)::Animation|Children's|Comedy\n"
            "2::Chasing Amy (1997)::Drama|Romance\n"
            '3::Misérables, "Les"::Drama\n'
            "4::unknown::\n"
            "5::Chasing Amy (1997)::Drama|Romance\n"
        ).encode("latin-1"),
        "users.dat": b"1::M::25::17::00001\n2::F::50::0::00002\n3::M::18::20::00003-0001\n",
    },
    "ml-10m": {
        "ratings.dat": "".join(f"{u}::{i}::{s}::{t}\n" for u, i, s, t in RATINGS).encode(),
        "r1.train": "".join(f"{u}::{i}::{s}::{t}\n" for u, i, s, t in RATINGS[:4]).encode(),
        "movies.dat": (
            "1::Toy Story (1995)::Animation|Children's|Comedy\n"
            "2::Chasing Amy (1997)::Drama|Romance\n"
            '3::Misérables, "Les"::Drama\n'
            "4::unknown::(no genres listed)\n"
            "5::Chasing Amy (1997)::Drama|Romance\n"
        ).encode(),
    },
    "ml-25m": {
        "ratings.csv": b"userId,movieId,rating,timestamp\n"
        + "".join(f"{u},{i},{s:.1f},{t}\n" for u, i, s, t in RATINGS).encode(),
        "movies.csv": (
            "movieId,title,genres\n"
            "1,Toy Story (1995),Animation|Children's|Comedy\n"
            "2,Chasing Amy (1997),Drama|Romance\n"
            '3,"Misérables, ""Les""",Drama\n'
            "4,unknown,(no genres listed)\n"
            "5,Chasing Amy (1997),Drama|Romance\n"
        ).encode(),
        "links.csv": b"movieId,imdbId,tmdbId\n2,0118842,\n1,0114709,862\n3,0113828,4415\n"
        b"5,0118842,2255\n",
    },
}
"""File names and contents by the dataset whose layout they follow."""


def write_folder(parent: Path, name: str, **changed: bytes | None) -> Path:
    """A folder of `FILES`; ``u_data=b"..."`` changes a file, ``u_data=None`` leaves it out."""
    folder = parent / name
    folder.mkdir(parents=True)
    for file, content in FILES[name].items():
        new = changed.get(file.replace(".", "_"), content)
        if new is not None:
            (folder / file).write_bytes(new)
    return folder


def write_zip(path: Path, name: str, inner: str | None = None) -> Path:
    """A zip of `FILES` as GroupLens ships it: the files in one folder."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir(inner or name)
        for file, content in FILES[name].items():
            archive.writestr(f"{inner or name}/{file}", content)
    return path
