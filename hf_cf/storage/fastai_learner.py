"""Somebody's trained fastai ``Learner`` read as a rating model, without importing fastai."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import DataSource, RatingScale
from hf_cf.data.vocab import NA, Vocab
from hf_cf.inference.star_errors import star_errors
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.models import EmbeddingDotBias, EmbeddingNN, RatingModel


def read_learner(learn: Any, ratings: Ratings | None = None) -> TrainedModel:
    """Build a trained model, without a ranking head, of a ``Learner`` and its ratings.

    Parameters
    ----------
    learn : fastai.learner.Learner
        Made by ``collab_learner``.
    ratings : Ratings, optional
        Those that it was trained on, see `read_ratings`.
    """
    module, coded = read_model(learn).eval(), read_ratings(learn, ratings)
    return TrainedModel.from_modules(module, coded, noise=star_errors(module, coded)["mse"])


def read_model(learn: Any) -> RatingModel:
    """Build the pure module of a ``collab_learner``'s model, with its weights.

    Parameters
    ----------
    learn : fastai.learner.Learner
        Made by ``collab_learner``, with ``use_nn`` or without.

    Raises
    ------
    ValueError
        The model is neither ``EmbeddingDotBias`` nor ``EmbeddingNN``.
    """
    trained = learn.model
    state = {name: tensor.detach().cpu().clone() for name, tensor in trained.state_dict().items()}
    if "u_weight.weight" in state:
        (n_users, n_factors), n_items = state["u_weight.weight"].shape, len(state["i_bias.weight"])
        y_range = _as_range(trained.y_range)
        model: RatingModel = EmbeddingDotBias(n_users, n_items, n_factors, y_range)
    elif "embeds.1.weight" in state and "embeds.2.weight" not in state:
        (n_users, user_size), (n_items, item_size) = (
            state[f"embeds.{side}.weight"].shape for side in (0, 1)
        )
        widths = [m.out_features for m in trained.layers.modules() if isinstance(m, nn.Linear)]
        ranges = [m for m in trained.layers if hasattr(m, "low") and hasattr(m, "high")]
        model = EmbeddingNN(
            n_users,
            n_items,
            widths[:-1],
            _as_range((ranges[0].low, ranges[0].high)) if ranges else None,
            user_size,
            item_size,
        )
    else:
        raise ValueError(
            f"{type(trained).__name__} is not a model of fastai's collab_learner; "
            "EmbeddingDotBias and EmbeddingNN can be read"
        )
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"this {type(trained).__name__} has layers of its own: {error}") from error
    return model


def read_ratings(learn: Any, ratings: Ratings | None = None) -> Ratings:
    """Build the ratings that a ``Learner`` was trained on, with its vocabularies.

    Parameters
    ----------
    learn : fastai.learner.Learner
        Its ``dls`` hold the vocabularies and, unless it was exported, the ratings.
    ratings : Ratings, optional
        The same ratings from `load_ratings` or ``Ratings.from_frame``: they bring the catalogue,
        the rating scale and the licence, and the histories where the learner has none.

    Raises
    ------
    ValueError
        The learner has no ratings and none are given, or the given ones have other ids.
    """
    user_name, item_name = list(learn.dls.classes)[:2]
    users, items = (Vocab(_known(learn.dls.classes[name])) for name in (user_name, item_name))
    if ratings is not None:
        coded = ratings.recode(users, items)
        if not coded.item_codes.any():
            raise ValueError("none of the given ratings' items is in the learner's vocabulary")
        return coded
    table = getattr(learn.dls, "train_ds", None)
    if table is None or not len(table):
        raise ValueError("this learner was exported without its ratings; pass them as ratings=")
    stars = table.ys.iloc[:, 0].to_numpy(np.float32)
    return Ratings(
        user_codes=table.xs[user_name].to_numpy(np.int32),
        item_codes=table.xs[item_name].to_numpy(np.int32),
        stars=stars,
        users=users,
        items=items,
        catalogue=pd.DataFrame(
            {"id": items.ids, "title": items.ids.astype(str)},
            index=pd.RangeIndex(1, len(items), name="code"),
        ),
        scale=RatingScale.infer(stars),
        source=DataSource(name="a fastai Learner's data"),
    )


def _known(classes: Any) -> list[Any]:
    names = list(classes)
    return names[1:] if names and names[0] == NA else names


def _as_range(y_range: Any) -> tuple[float, float] | None:
    return None if y_range is None else (float(y_range[0]), float(y_range[1]))
