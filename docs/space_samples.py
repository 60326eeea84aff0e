"""Synthetic people who rate books and like composers, for pictures of the Space.

Titles, authors, years and names are facts; who rates or likes what is drawn: people have a taste
for one or two kinds, and give what is of these kinds more.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

import hf_cf
from hf_cf.data.scale import DataSource

BOOKS = """
Adventure|Treasure Island|Robert Louis Stevenson|1883
Adventure|Kidnapped|Robert Louis Stevenson|1886
Adventure|The Count of Monte Cristo|Alexandre Dumas|1846
Adventure|The Three Musketeers|Alexandre Dumas|1844
Adventure|Around the World in Eighty Days|Jules Verne|1873
Adventure|Twenty Thousand Leagues Under the Sea|Jules Verne|1870
Adventure|The Call of the Wild|Jack London|1903
Adventure|White Fang|Jack London|1906
Adventure|Kim|Rudyard Kipling|1901
Adventure|King Solomon's Mines|H. Rider Haggard|1885
Gothic|Frankenstein|Mary Shelley|1818
Gothic|Dracula|Bram Stoker|1897
Gothic|Strange Case of Dr Jekyll and Mr Hyde|Robert Louis Stevenson|1886
Gothic|The Picture of Dorian Gray|Oscar Wilde|1890
Gothic|The Turn of the Screw|Henry James|1898
Gothic|Wuthering Heights|Emily Brontë|1847
Gothic|The Monk|Matthew Lewis|1796
Gothic|Carmilla|Sheridan Le Fanu|1872
Society|Pride and Prejudice|Jane Austen|1813
Society|Emma|Jane Austen|1815
Society|Persuasion|Jane Austen|1817
Society|Sense and Sensibility|Jane Austen|1811
Society|Middlemarch|George Eliot|1871
Society|Jane Eyre|Charlotte Brontë|1847
Society|Great Expectations|Charles Dickens|1861
Society|David Copperfield|Charles Dickens|1850
Society|Vanity Fair|William Makepeace Thackeray|1848
Society|The Age of Innocence|Edith Wharton|1920
Society|The House of Mirth|Edith Wharton|1905
Society|Cranford|Elizabeth Gaskell|1853
Russia|Anna Karenina|Leo Tolstoy|1878
Russia|War and Peace|Leo Tolstoy|1869
Russia|Crime and Punishment|Fyodor Dostoevsky|1866
Russia|The Brothers Karamazov|Fyodor Dostoevsky|1880
Russia|The Idiot|Fyodor Dostoevsky|1869
Russia|Fathers and Sons|Ivan Turgenev|1862
Russia|Dead Souls|Nikolai Gogol|1842
Russia|Oblomov|Ivan Goncharov|1859
Future|The Time Machine|H. G. Wells|1895
Future|The War of the Worlds|H. G. Wells|1898
Future|The Invisible Man|H. G. Wells|1897
Future|From the Earth to the Moon|Jules Verne|1865
Future|Looking Backward|Edward Bellamy|1888
Future|Erewhon|Samuel Butler|1872
Children|Alice's Adventures in Wonderland|Lewis Carroll|1865
Children|Through the Looking-Glass|Lewis Carroll|1871
Children|The Secret Garden|Frances Hodgson Burnett|1911
Children|A Little Princess|Frances Hodgson Burnett|1905
Children|The Wind in the Willows|Kenneth Grahame|1908
Children|Peter Pan|J. M. Barrie|1911
Children|The Wonderful Wizard of Oz|L. Frank Baum|1900
Children|Little Women|Louisa May Alcott|1868
Children|Heidi|Johanna Spyri|1881
"""

COMPOSERS = """
Baroque|Johann Sebastian Bach|Antonio Vivaldi|George Frideric Handel|Henry Purcell|Barbara Strozzi
Baroque|Domenico Scarlatti|Arcangelo Corelli|Jean-Philippe Rameau|Georg Philipp Telemann
Classical|Wolfgang Amadeus Mozart|Joseph Haydn|Ludwig van Beethoven|Maria Theresia von Paradis
Classical|Luigi Boccherini|Muzio Clementi|Carl Philipp Emanuel Bach|Christoph Willibald Gluck
Romantic|Frédéric Chopin|Clara Schumann|Robert Schumann|Franz Liszt|Johannes Brahms|Fanny Hensel
Romantic|Felix Mendelssohn|Franz Schubert|Louise Farrenc|Edvard Grieg|Antonín Dvořák
Opera|Giuseppe Verdi|Richard Wagner|Gioachino Rossini|Giacomo Puccini|Georges Bizet|Vincenzo Bellini
Modern|Claude Debussy|Maurice Ravel|Lili Boulanger|Erik Satie|Igor Stravinsky|Béla Bartók
Modern|Gabriel Fauré|Jean Sibelius|Gustav Mahler|Amy Beach|Alexander Scriabin
"""

PEOPLE = 400


def books() -> hf_cf.Ratings:
    """Ratings from 1 to 10 of novels, with author and year."""
    rows = [line.split("|") for line in BOOKS.strip().splitlines()]
    table = pd.DataFrame(rows, columns=["genres", "title", "author", "year"])
    items = table.assign(id=range(1, 1 + len(table)), year=table["year"].astype(int))
    user, item, likes = _drawn(items["genres"].tolist(), seed=3)
    chance = np.random.default_rng(4)
    stars = np.where(likes, chance.integers(7, 11, len(user)), chance.integers(2, 8, len(user)))
    return hf_cf.Ratings.from_frame(
        pd.DataFrame({"user": user, "item": item, "rating": stars}), items=items, scale=(1, 10, 1),
        source=DataSource("synthetic readers", synthetic=True, noun="book"),
    )  # fmt: skip


def composers() -> hf_cf.Ratings:
    """Who plays which composer."""
    rows = [line.split("|") for line in COMPOSERS.strip().splitlines()]
    items = pd.DataFrame(
        [(name, kind) for kind, *names in rows for name in names], columns=["title", "genres"]
    )
    items = items.assign(id=range(1, 1 + len(items)))
    user, item, likes = _drawn(items["genres"].tolist(), seed=5)
    plays = pd.DataFrame({"user": user, "item": item})[likes]
    return hf_cf.Ratings.from_frame(
        plays, items=items, feedback="implicit",
        source=DataSource("synthetic listeners", synthetic=True, noun="artist"),
    )  # fmt: skip


def _drawn(kinds: list[str], seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users, items, and whether the user likes the item, one an entry."""
    chance = np.random.default_rng(seed)
    names = sorted(set(kinds))
    known = chance.permutation(np.linspace(0.15, 0.6, len(kinds)))
    found = []
    for user in range(1, 1 + PEOPLE):
        taste = set(chance.choice(names, 2, replace=False))
        for at, kind in enumerate(kinds):
            near = kind in taste
            if chance.random() < known[at] * (1.4 if near else 0.4):
                found.append((user, at + 1, chance.random() < (0.85 if near else 0.25)))
    users, items, likes = zip(*found, strict=True)
    return np.array(users), np.array(items), np.array(likes)
