"""Users and items that come after the training: the same model with more of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from hf_cf.data.catalogue import Catalogue, plain_ids
from hf_cf.data.features import design_matrix, find_features
from hf_cf.data.history import History
from hf_cf.data.ratings import in_code_order
from hf_cf.data.vocab import Codes, Vocab
from hf_cf.errors import DataFormatError
from hf_cf.inference.asking import several, user_codes
from hf_cf.inference.scorer import Scorer
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.inference.users import UserVectors, Visitors
from hf_cf.models.ridge import factors_from_features


def add_users(model: TrainedModel, ratings: pd.DataFrame) -> TrainedModel:
    """Make visitors known users.

    Parameters
    ----------
    model : TrainedModel
    ratings : DataFrame
        ``user``, ``item``, ``rating``: raw ids that the model does not have, and what they rated.

    Raises
    ------
    UnknownItem
        The model does not have an item.
    ValueError
        A user is known already, or a rating is outside the scale.
    """
    names, given = several(model, ratings)
    known = model.users.encode(pd.Index(names, dtype=object)) > 0
    if known.any():
        name = names[int(known.argmax())]
        raise ValueError(f"the model knows the user {name!r} already; refresh with rec.update")
    users = Vocab([*model.users.ids.tolist(), *names])
    codes = np.arange(len(model.users), len(users), dtype=np.int32)
    history = model.history and model.history.updated(codes, given, len(users))
    vectors = model.scorer.vectors(Visitors(given))
    return _with_users(replace(model, users=users), codes, vectors, history, given)


def update_users(model: TrainedModel, ratings: pd.DataFrame) -> TrainedModel:
    """Infer known users anew, from their history and new ratings together.

    Raises
    ------
    UnknownUser, UnknownItem
        The model does not have the id or title.
    ValueError
        The model has no history, or a rating is outside the scale.
    """
    names, given = several(model, ratings)
    codes = user_codes(model, names)
    if model.history is None:
        raise ValueError("give the model its history first, with rec.attach_history")
    history = model.history.updated(codes, given, len(model.users))
    vectors = model.scorer.vectors(Visitors(history.take(codes)))
    return _with_users(model, codes, vectors, history, given)


def _with_users(
    model: TrainedModel,
    codes: Codes,
    vectors: UserVectors,
    history: History | None,
    given: History,
) -> TrainedModel:
    """The same model with the vectors of some user codes, old or new ones, replaced."""
    held_out = None
    counts = _counts(given, model)
    if history is not None:
        if model.history is not None:  # a rating that replaces an older one is not counted again
            counts = _counts(history, model) - _counts(model.history, model)
        if model.held_out is not None:
            observed = history.take(codes)
            owners = codes[observed.user_codes()]
            observed = History.from_codes(owners, observed.items, observed.stars, len(model.users))
            held_out = model.held_out.without(observed)
    table = model.catalogue.table
    table = table.assign(n_ratings=table["n_ratings"] + counts)
    scorer = with_user_vectors(model.scorer, len(model.users), codes, vectors)
    return replace(
        model,
        scorer=scorer,
        catalogue=Catalogue(model.items, table),
        history=history,
        held_out=held_out,
    )


def _counts(ratings: History, model: TrainedModel) -> npt.NDArray[np.int64]:
    """Ratings of each item, without ``#na#``."""
    return np.bincount(ratings.items, minlength=len(model.items))[1:]


def with_user_vectors(scorer: Scorer, n_users: int, codes: Codes, vectors: UserVectors) -> Scorer:
    """Put the vectors of some users, old or new ones, in place.

    Parameters
    ----------
    scorer : Scorer
    n_users : int
        Rows of the tables of users afterwards, ``#na#`` included; at least as many as before.
    codes : int array, shape (B,)
        Rows to replace; every new row is among them.
    vectors : UserVectors
        B of them.
    """
    rows = scorer.rows(codes)

    def replaced(old: Tensor, new: Tensor) -> Tensor:
        whole = old.new_empty(n_users, old.shape[1])
        whole[: len(old)] = old
        whole[rows] = new
        return whole

    rating, ranking = scorer.rating, scorer.ranking
    known = torch.arange(int(rating.model.settings["n_users"]), device=scorer.device)
    table = replaced(rating.model.user_vectors(known), vectors.rating)
    if ranking is not None and vectors.ranking is not None:
        user_vectors = replaced(ranking.user_vectors, vectors.ranking)
        ranking = replace(ranking, user_vectors=user_vectors)
    rating = replace(rating, model=rating.model.with_user_vectors(table))
    return replace(scorer, rating=rating, ranking=ranking).to(scorer.device)


def add_items(
    model: TrainedModel,
    items: pd.DataFrame,
    ratings: pd.DataFrame | None = None,
    text_model: str | Path | None = None,
) -> TrainedModel:
    """Place new items by their features, and by a few ratings.

    Parameters
    ----------
    model : TrainedModel
        Of a ``bayesian_mf``.
    items : DataFrame
        ``id`` and what the catalogue has.
    ratings : DataFrame, optional
        ``user``, ``item``, ``rating``: of known users, for the new items.
    text_model : str or Path, optional
        Where the static model is that the text of the items was embedded with, if it has moved.

    Raises
    ------
    UnknownUser, UnknownItem
        The model does not have the user, or neither of both the item.
    ValueError
        The model cannot place items, an item is known already, a rating is outside the scale, or
        the text model cannot be loaded.
    """
    if "id" not in items:
        raise DataFormatError("new items need this column", column="id")
    known = model.items.encode(items["id"]) > 0
    if known.any():
        name = plain_ids(items["id"])[int(known.argmax())]
        raise ValueError(f"the model has the item {name!r} already")
    old, first = model.catalogue.table, len(model.items)
    vocab = Vocab([*model.items.ids.tolist(), *items["id"].tolist()])
    new = in_code_order(items, Vocab(items["id"]), default_title=True)
    new = new.reindex(columns=[name for name in old if name != "n_ratings"])
    table = pd.concat([old, new.assign(n_ratings=0)])
    table = table.set_axis(pd.RangeIndex(1, len(vocab), name="code"))
    rated = owners = np.zeros(0, np.int32)
    stars, history = np.zeros(0, np.float32), model.history
    if ratings is not None:
        names, given = several(model, ratings, Catalogue(vocab, table))
        users = user_codes(model, names)
        rated, owners, stars = given.items - first, users[given.user_codes()], given.stars
        if (rated < 0).any():
            raise ValueError("ratings are for new items; refresh with rec.update for others")
        added = np.bincount(given.items, minlength=len(vocab))[1:]
        table = table.assign(n_ratings=table["n_ratings"] + added)
        if history is not None:
            history = history.updated(users, given, len(model.users))
    by_item = History.from_codes(rated.astype(np.int32), owners, stars, len(new))
    text = None if model.text is None else model.text.at(text_model)
    if text is not None:
        described = text.added_to(pd.concat([old, new]))
        old, new = described[: len(old)], described[len(old) :]
    scorer = _with_items(model.scorer, old, new, by_item)
    catalogue = Catalogue(vocab, table)
    return replace(model, scorer=scorer, catalogue=catalogue, history=history, text=text)


def _with_items(scorer: Scorer, known: pd.DataFrame, new: pd.DataFrame, given: History) -> Scorer:
    """Place the items of `new` in both heads; row j of `given` holds their raters, by user code."""
    indptr, users, stars = scorer.tensors(given)
    rating = replace(scorer.rating, model=scorer.rating.model.with_items(new, indptr, users, stars))
    ranking = scorer.ranking
    if ranking is not None:
        expected = _expected_factors(ranking.model.item_factors, known, new)
        larger = ranking.model.with_items(expected, ranking.user_vectors, indptr, users, stars)
        ranking = replace(ranking, model=larger, index=None)
    return replace(scorer, rating=rating, ranking=ranking).to(scorer.device)


def _expected_factors(factors: Tensor, known: pd.DataFrame, new: pd.DataFrame) -> Tensor:
    """What the features of new items predict of their factors in the ranking head, (m, k)."""
    features = find_features(known)
    design, asked = (torch.from_numpy(design_matrix(features, t)) for t in (known, new))
    counts = torch.tensor(known["n_ratings"].to_numpy(np.int64))
    return factors_from_features(design, factors[1:].cpu(), counts, asked).to(factors)
