"""What a model has learned of its items, as tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from hf_cf.inference.trained_model import TrainedModel


def item_bias(model: TrainedModel) -> pd.DataFrame:
    """Rank items by how much they are liked beyond what taste explains.

    That is the item's bias where the model has one, before its output range is applied; otherwise
    the stars that the average user would give, less their mean over the items.

    Returns
    -------
    DataFrame
        Most liked first: ``item``, ``title``, ``bias``, ``n_ratings``.
    """
    rating, catalogue = model.scorer.rating, model.catalogue
    biases = rating.model.item_biases()
    if biases is None:
        stars = rating.model.stars_grid(rating.prior.mean[None])[0]
        biases = stars - stars[1:].mean()
    biases = biases.cpu()
    order = torch.argsort(biases[1:], descending=True, stable=True) + 1
    table = catalogue.describe(order.numpy(), bias=biases[order].numpy())
    return table.assign(n_ratings=catalogue.n_ratings[order.numpy() - 1])


def item_map(model: TrainedModel, n: int = 3, most_rated: int = 1000) -> pd.DataFrame:
    """Place the most rated items in few dimensions, so that like items are near.

    Parameters
    ----------
    model : TrainedModel
    n : int
        Principal components of the items' factors.
    most_rated : int
        Items to place.

    Returns
    -------
    DataFrame
        Most rated first: ``item``, ``title``, ``n_ratings``, ``x1`` to ``xn``, the coordinates on
        the principal components, widest first.
    """
    counts = model.catalogue.n_ratings
    codes = np.argsort(-counts, kind="stable")[:most_rated] + 1
    scorer = model.scorer
    all_factors = (
        scorer.rating.model.item_embeddings() if scorer.predicts_stars else scorer.item_factors()
    )
    factors = all_factors[torch.from_numpy(codes)].double().cpu()
    factors = factors - factors.mean(0)
    _, _, axes = torch.linalg.svd(factors, full_matrices=False)
    # The sign of a component means nothing; the largest loading is made positive.
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    coordinates = (factors @ (axes * largest.sign())[:n].T).float().numpy()
    table = model.catalogue.describe(codes).assign(n_ratings=counts[codes - 1])
    return table.assign(**{f"x{i + 1}": coordinates[:, i] for i in range(coordinates.shape[1])})
