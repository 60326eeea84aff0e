"""Who asks, by raw ids and ratings, as the model's users and visitors."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from hf_cf.data.catalogue import Catalogue, plain_ids
from hf_cf.data.history import History
from hf_cf.data.readers.layouts import DATASETS
from hf_cf.data.vocab import Codes
from hf_cf.errors import InvalidArgument, UnknownUser
from hf_cf.inference.profiles import Profile
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.inference.users import KnownUsers, Users, Visitors
from hf_cf.inference.visitors import OnUnknown, VisitorRatings, visitors_history

Names = list[Any] | None
"""Raw ids of the users, or of the visitors of a table; None for a single one."""


def users_of(
    model: TrainedModel,
    user: Any = None,
    ratings: VisitorRatings | None = None,
    profile: Profile | None = None,
    on_unknown: OnUnknown = "raise",
    liked: Sequence[Any] | None = None,
) -> tuple[Users, Names]:
    """Either known users or visitors, and their names where there may be several.

    Parameters
    ----------
    model : TrainedModel
    user : id or array_like of ids, optional
        Known users.
    ratings, profile, on_unknown
        Visitors, as `visitors_of` takes them.
    liked : sequence of ids or titles, optional
        What a visitor likes, in place of ratings.

    Raises
    ------
    UnknownUser, UnknownItem
        The model does not have an id or title.
    ValueError
        Both or neither of them are given, or a rating or the profile is wrong.
    """
    if liked is not None:
        if ratings is not None:
            raise InvalidArgument("give either ratings= or liked=")
        ratings = dict.fromkeys(liked, model.scorer.strength_of_a_like)
    if ratings is None and profile is not None:
        ratings = {}
    if (user is None) == (ratings is None):
        raise InvalidArgument("give either a user or ratings=")
    if ratings is not None:
        return visitors_of(model, ratings, profile, on_unknown)
    single = is_single(user)
    names = [user] if single else list(user)
    return KnownUsers(user_codes(model, names), model.history), None if single else names


def visitors_of(
    model: TrainedModel,
    ratings: VisitorRatings,
    profile: Profile | None = None,
    on_unknown: OnUnknown = "raise",
) -> tuple[Visitors, Names]:
    """Visitors by their ratings; the names are those of a column ``user``.

    Parameters
    ----------
    model : TrainedModel
    ratings : mapping, pairs or DataFrame
        Of one visitor, or of several in a table with a column ``user``.
    profile : mapping of str to value, optional
        What else is known of a single visitor.
    on_unknown : {"raise", "skip"}
        What to do with a rating of an item that the catalogue does not have.
    """
    names, observed = visitors_history(ratings, model.catalogue, model.scorer.scale, on_unknown)
    if profile is None:
        return Visitors(observed), names
    if names is not None:
        raise InvalidArgument(
            "a profile is of one visitor, and these are ratings of several visitors"
        )
    if model.scorer.profiles is None:
        raise InvalidArgument(
            "this model takes no profile=: its training data said nothing of its users but their "
            "ratings"
        )
    return Visitors(observed, model.scorer.profiles.read(profile)), names


def demand_stars_by_profile(model: TrainedModel, profile: Profile | None) -> None:
    """Refuse a profile where predicted stars do not follow from one."""
    profiles = model.scorer.profiles
    if not model.scorer.predicts_stars or profile is None or profiles is None:
        return
    if profiles.rating is None:
        raise InvalidArgument(
            f"the stars that {model.scorer.rating.model.name} predicts do not follow from a "
            "profile=, only the order of recommend does; leave it out, or give ratings="
        )


def one_visitor(
    model: TrainedModel,
    ratings: VisitorRatings,
    profile: Profile | None = None,
    on_unknown: OnUnknown = "raise",
) -> Visitors:
    """A single visitor; ValueError where the ratings are those of several."""
    visitors, names = visitors_of(model, ratings, profile, on_unknown)
    demand_one(names)
    return visitors


def several(
    model: TrainedModel, ratings: pd.DataFrame, catalogue: Catalogue | None = None
) -> tuple[list[Any], History]:
    """Names and ratings in a table ``user``, ``item``, ``rating``, row b by name b."""
    names, given = visitors_history(ratings, catalogue or model.catalogue, model.scorer.scale)
    if names is None:
        raise InvalidArgument("ratings are a table with the columns user, item and rating")
    return names, given


def user_codes(model: TrainedModel, raw: Any) -> Codes:
    """Codes of known users: raw ids, shape (n,), to int32, shape (n,).

    Raises
    ------
    UnknownUser
        The model does not have one of them.
    """
    raw = plain_ids(raw)
    codes = model.users.encode(pd.Index(raw, dtype=object))
    if (codes == 0).any():
        unknown = raw[int((codes == 0).argmax())]
        raise UnknownUser(
            f"there is no user {unknown!r} among the {len(model.users) - 1:,} that the model "
            "was trained on; serve somebody new with ratings="
        )
    return codes


def demand_one(names: Names) -> None:
    """Raise ValueError where a table holds ratings of several visitors."""
    if names is not None:
        raise InvalidArgument("these are ratings of several visitors: they have a column user")


def is_single(value: Any) -> bool:
    """Whether a value is one id rather than several."""
    return isinstance(value, (str, bytes)) or np.ndim(value) == 0


def warn_of_missing_history(model: TrainedModel) -> None:
    """Warn where lists may hold what known users have rated, because the model does not know it."""
    if model.history is not None:
        return
    named = model.source.name in DATASETS
    loaded = f'hf_cf.load_ratings("{model.source.name}")' if named else "ratings"
    warnings.warn(
        "the model came without its users' ratings, so recommendations may hold what they have "
        f"seen; rec.attach_history({loaded}) leaves that out",
        stacklevel=3,
    )
