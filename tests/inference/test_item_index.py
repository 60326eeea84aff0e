"""The index of items, against scoring them all."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from hf_cf.inference.item_index import ItemIndex
from hf_cf.inference.spherical_kmeans import cluster_directions

N_ITEMS, SIZE = 20_000, 16


def clustered(n: int, seed: int) -> Tensor:
    """Vectors around 50 directions, their lengths log-normal."""
    centres = normalize(torch.randn(50, SIZE, generator=torch.Generator().manual_seed(7)), dim=1)
    generator = torch.Generator().manual_seed(seed)
    own = torch.randint(50, (n,), generator=generator)
    noise = torch.randn(n, SIZE, generator=generator) * 0.7 / SIZE**0.5
    lengths = torch.exp(torch.randn(n, generator=generator))
    return normalize(centres[own] + noise, dim=1) * lengths[:, None]


def exactly(vectors: Tensor, query: Tensor, n: int, hidden: Tensor) -> tuple[Tensor, Tensor]:
    scores = (vectors @ query).masked_fill(hidden, -torch.inf)
    best = scores.topk(min(n, int((~hidden).sum())))
    return best.values, best.indices


@pytest.fixture(scope="module")
def vectors() -> Tensor:
    return clustered(N_ITEMS, seed=0)


@pytest.fixture(scope="module")
def index(vectors: Tensor) -> ItemIndex:
    return ItemIndex.build(vectors, clustered(200, seed=1), progress=False)


def recall(index: ItemIndex, vectors: Tensor, n: int, hidden: Tensor) -> float:
    found = right = 0
    for query in clustered(50, seed=2):
        _, items = index.search(query, n, hidden)
        _, expected = exactly(vectors, query, n, hidden)
        found += len(set(items.tolist()) & set(expected.tolist()))
        right += len(expected)
    return found / right


@pytest.mark.parametrize("n", [1, 10, 100])
def test_it_finds_98_of_100_of_the_best(vectors: Tensor, index: ItemIndex, n: int) -> None:
    assert recall(index, vectors, n, torch.zeros(N_ITEMS, dtype=torch.bool)) >= 0.98


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_it_finds_them_among_what_a_filter_leaves(
    vectors: Tensor, index: ItemIndex, share: float
) -> None:
    hidden = torch.rand(N_ITEMS, generator=torch.Generator().manual_seed(3)) < share
    assert recall(index, vectors, 100, hidden) >= 0.98


def test_it_reads_a_small_part_of_the_items(
    vectors: Tensor, index: ItemIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    rows_of = ItemIndex._rows

    def counted(self: ItemIndex, lists: Tensor, counts: Tensor) -> Tensor:
        rows = rows_of(self, lists, counts)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(ItemIndex, "_rows", counted)
    for query in clustered(50, seed=2):
        read.clear()
        index.search(query, 10, torch.zeros(N_ITEMS, dtype=torch.bool))
        assert 0 < sum(read) < N_ITEMS / 4


def test_with_a_margin_beyond_all_items_it_is_exact(vectors: Tensor, index: ItemIndex) -> None:
    wide = ItemIndex(vectors, index.centres, index.lists, 10.0)
    hidden = torch.zeros(N_ITEMS, dtype=torch.bool)
    for query in clustered(20, seed=4):
        scores, items = wide.search(query, 50, hidden)
        expected_scores, expected = exactly(vectors, query, 50, hidden)
        assert torch.equal(items, expected)
        torch.testing.assert_close(scores, expected_scores)


@given(
    passing=st.integers(0, 400), n=st.integers(1, 500), seed=st.integers(0, 50), sign=st.booleans()
)
def test_the_answer_is_full_sorted_and_holds_nothing_hidden(
    vectors: Tensor, index: ItemIndex, passing: int, n: int, seed: int, sign: bool
) -> None:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.ones(N_ITEMS, dtype=torch.bool)
    hidden[torch.randperm(N_ITEMS, generator=generator)[:passing]] = False
    query = clustered(1, seed)[0] * (1 if sign else 0)  # a query of zeros scores all alike
    scores, items = index.search(query, n, hidden)
    assert len(items) == len(set(items.tolist())) == min(n, passing)
    assert not hidden[items].any()
    torch.testing.assert_close(scores, vectors[items] @ query)
    assert (scores.diff() <= 0).all()


def test_a_query_that_everything_scores_below_zero_for_is_answered_exactly() -> None:
    vectors = torch.rand(1000, 4, generator=torch.Generator().manual_seed(0)) + 0.1
    index = ItemIndex.build(vectors, vectors[:50], progress=False)
    hidden = torch.zeros(1000, dtype=torch.bool)
    _, items = index.search(-torch.ones(4), 20, hidden)
    assert torch.equal(items, exactly(vectors, -torch.ones(4), 20, hidden)[1])


@pytest.mark.parametrize("n_items", [1, 2, 7])
def test_few_items_can_have_an_index(n_items: int) -> None:
    vectors = clustered(n_items, seed=0)
    vectors[0] = 0
    index = ItemIndex.build(vectors, clustered(3, seed=1), progress=False)
    _, items = index.search(vectors[-1], 5, torch.zeros(n_items, dtype=torch.bool))
    assert len(set(items.tolist())) == min(n_items, 5)


def test_lists_and_centres_that_do_not_fit_the_items_give_other_answers_and_no_crash() -> None:
    vectors = clustered(500, seed=0) * 1e30  # squares of these are beyond float32
    generator = torch.Generator().manual_seed(0)
    lists = torch.randint(0, 9, (500,), generator=generator)
    index = ItemIndex(vectors, torch.randn(20, SIZE, generator=generator) * 1e30, lists, 0.3)
    hidden = torch.zeros(500, dtype=torch.bool)
    hidden[::2] = True
    for query in clustered(20, seed=1):
        _, items = index.search(query, 30, hidden)
        assert len(items) == 30
        assert not hidden[items].any()


def test_directions_are_clustered_whatever_the_lengths() -> None:
    generator = torch.Generator().manual_seed(0)
    axes = torch.randint(3, (600,), generator=generator)
    vectors = torch.eye(3)[axes] + 0.05 * torch.randn(600, 3, generator=generator)
    vectors *= torch.exp(3 * torch.randn(600, 1, generator=generator))
    means, clusters = cluster_directions(vectors, 12)
    kinds = {(int(axis), int(cluster)) for axis, cluster in zip(axes, clusters, strict=True)}
    assert len(kinds) == len(clusters.unique())  # no cluster holds two of the axes
    expected = normalize(vectors[clusters == clusters[0]], dim=1).mean(0)
    torch.testing.assert_close(means[clusters[0]], expected)
