"""Which items are alike: whitened factors, few ratings, features."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from hf_cf import Recommender
from hf_cf.data.catalogue import Catalogue
from hf_cf.data.vocab import Vocab
from hf_cf.inference.similarity import ItemSimilarity

N, K = 40, 5


def catalogue(counts: np.ndarray, **columns: object) -> Catalogue:
    table = pd.DataFrame({"id": range(len(counts)), "n_ratings": counts, **columns})
    table["title"] = "Film " + table["id"].astype(str)
    table.index = pd.RangeIndex(1, len(table) + 1, name="code")
    return Catalogue(Vocab(table["id"]), table)


def factors(seed: int = 0) -> torch.Tensor:
    """Factors that share one long direction, as those of well known items do."""
    drawn = torch.randn(N + 1, K, generator=torch.Generator().manual_seed(seed))
    drawn[:, 0] += 4
    drawn[0] = 0
    return drawn


def test_it_is_the_cosine_of_whitened_factors_shrunk_by_few_ratings() -> None:
    counts = np.random.default_rng(0).integers(0, 200, N)
    similarity = ItemSimilarity.of(factors(), catalogue(counts))
    y, n = factors().double().numpy()[1:], counts.astype(float)
    moment = (y * n[:, None]).T @ y / n.sum()
    moment += 0.01 * np.trace(moment) / K * np.eye(K)
    inner = y @ np.linalg.inv(moment) @ y.T
    lengths, known = np.sqrt(np.diag(inner)), np.sqrt(n / (n + 20))
    expected = inner / np.outer(lengths, lengths) * np.outer(known, known)
    found = torch.stack([similarity.to_item(code) for code in range(1, N + 1)])[:, 1:]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    vectors = similarity.vectors(torch.arange(1, N + 1))
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=1e-5)


def test_without_ratings_the_features_tell() -> None:
    counts = np.full(N, 50)
    counts[0] = 0
    genres = ["Horror|Sci-Fi" if row % 4 == 0 else "Comedy|Romance" for row in range(N)]
    similarity = ItemSimilarity.of(factors(), catalogue(counts, genres=genres))
    to_new = similarity.to_item(1)[2:]
    horror = np.array(genres[1:]) == "Horror|Sci-Fi"
    assert to_new[horror].min() > to_new[~horror].max()
    assert similarity.to_item(1)[1] <= 1


def test_nothing_is_alike_to_an_item_of_which_nothing_is_known() -> None:
    similarity = ItemSimilarity.of(torch.zeros(4, K), catalogue(np.zeros(3, int)))
    assert not similarity.to_item(2).any()


@pytest.mark.parametrize("has_ranking", [True, False])
def test_a_film_rated_once_is_not_everybodys_neighbour(
    trained: Recommender, has_ranking: bool
) -> None:
    scorer = trained.trained.scorer
    own = scorer.item_factors() if has_ranking else scorer.rating.model.item_embeddings()
    similarity = ItemSimilarity.of(own, trained.trained.catalogue)
    counts = trained.catalogue["n_ratings"].to_numpy()
    often = np.flatnonzero(counts >= 50) + 1
    nearest = np.stack([similarity.to_item(int(c)).topk(11).indices[1:] for c in often])
    assert (counts[nearest - 1] <= 1).mean() < 0.02
