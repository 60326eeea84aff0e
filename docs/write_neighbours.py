"""Print the nearest items of some well-known ones as the Markdown of recommending.md.

Run from the repository root with a model of MovieLens 100K, or with any model and titles of it::

    python train.py --data ../shared/data/ml-100k --model als --out models/ml-100k
    python docs/write_neighbours.py models/ml-100k
    python docs/write_neighbours.py models/lastfm Metallica "Daft Punk"
"""

import sys

import hf_cf

FILMS = (
    "Star Wars (1977)", "Godfather, The (1972)", "Toy Story (1995)", "Pulp Fiction (1994)",
    "Alien (1979)", "Casablanca (1942)", "Sense and Sensibility (1995)", "Scream (1996)",
    "Silence of the Lambs, The (1991)", "Mary Poppins (1964)",
)  # fmt: skip


def main() -> None:
    """Ask the model for the four items most like each."""
    rec = hf_cf.Recommender.from_pretrained(sys.argv[1])
    print("| | most like it |\n|---|---|")
    for title in sys.argv[2:] or FILMS:
        print(f"| {title} | {'; '.join(rec.similar(title, 4)['title'])} |")


if __name__ == "__main__":
    main()
