"""Clusters of vectors that point the same way: spherical k-means."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize
from tqdm import tqdm

_PER_CLUSTER = 24  # vectors that the clusters are found from, for each of them
_ROUNDS = 6
_AT_ONCE = 16_384


def cluster_directions(
    vectors: Tensor, n_clusters: int, *, seed: int = 0, progress: bool = False
) -> tuple[Tensor, Tensor]:
    """Cluster vectors by direction; their lengths do not count (Dhillon and Modha 2001).

    The clusters are found from a sample of the vectors, drawn at random, and then all are assigned.

    Parameters
    ----------
    vectors : Tensor, shape (n, k)
        Of any length; those of length zero go to any cluster.
    n_clusters : int
        At most; more than there are vectors are not made.
    seed : int
        Seed of the sample and of the first centres.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    means : Tensor, shape (n_clusters, k)
        Mean directions, of length 1 at most; zero for a cluster without vectors.
    clusters : Tensor of int64, shape (n,)
        The cluster of each vector.
    """
    generator = torch.Generator().manual_seed(seed)
    n_clusters = min(n_clusters, len(vectors))
    drawn = torch.randperm(len(vectors), generator=generator)[: _PER_CLUSTER * n_clusters]
    sample = normalize(vectors[drawn.to(vectors.device)], dim=1)
    centres = sample[:n_clusters]  # the sample is in random order
    bar = tqdm(total=_ROUNDS * len(sample) + len(vectors), unit=" items", unit_scale=True,
               desc="Clustering", disable=not progress)  # fmt: skip
    with bar:
        for _ in range(_ROUNDS):
            clusters = _nearest(sample, centres, bar)
            sums = torch.zeros_like(centres).index_add_(0, clusters, sample)
            empty = clusters.bincount(minlength=n_clusters) == 0
            again = torch.randint(len(sample), (int(empty.sum()),), generator=generator)
            sums[empty] = sample[again.to(sample.device)]
            centres = normalize(sums, dim=1)
        clusters = _nearest(vectors, centres, bar)
    sums = torch.zeros_like(centres)
    for part, own in zip(vectors.split(_AT_ONCE), clusters.split(_AT_ONCE), strict=True):
        sums.index_add_(0, own, normalize(part, dim=1))
    return sums / clusters.bincount(minlength=n_clusters).clamp_min(1)[:, None], clusters


def _nearest(vectors: Tensor, centres: Tensor, bar: tqdm) -> Tensor:
    """The centre of highest cosine for each vector, (n,)."""
    found = []
    for part in vectors.split(_AT_ONCE):
        found.append((part @ centres.T).argmax(1))
        bar.update(len(part))
    return torch.cat(found)
