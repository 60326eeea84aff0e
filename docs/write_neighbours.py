"""Print the neighbours of ten well-known films by both heads, as the Markdown of recommending.md.

Run from the repository root with a model of MovieLens 100K::

    python train.py --data ../shared/data/ml-100k --out models/ml-100k
    python docs/write_neighbours.py models/ml-100k
"""

import sys
from dataclasses import replace

import hf_cf

FILMS = (
    "Star Wars (1977)", "Godfather, The (1972)", "Toy Story (1995)", "Pulp Fiction (1994)",
    "Alien (1979)", "Casablanca (1942)", "Sense and Sensibility (1995)", "Scream (1996)",
    "Silence of the Lambs, The (1991)", "Mary Poppins (1964)",
)  # fmt: skip


def main() -> None:
    """Ask the model with its ranking head, and the same model without it."""
    rec = hf_cf.Recommender.from_pretrained(sys.argv[1])
    columns = []
    for ranking in (rec.ranking, None):
        scorer = replace(rec.trained.scorer, ranking=ranking)
        rec = hf_cf.Recommender(replace(rec.trained, scorer=scorer))
        columns.append([", ".join(rec.similar(film, 3)["title"]) for film in FILMS])
    print("| | by the ranking head | by the rating model's factors |\n|---|---|---|")
    for film, by_ranking, by_rating in zip(FILMS, *columns, strict=True):
        print(f"| {film} | {by_ranking} | {by_rating} |")


if __name__ == "__main__":
    main()
