"""A `Recommender`'s parts to a `ModelFolder` and back."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from torch import Tensor

from hf_cf.errors import ModelFormatError
from hf_cf.facts import TrainingFacts
from hf_cf.history import History
from hf_cf.model_folder import ModelFolder
from hf_cf.models import RankingHead, UserPrior, build_ranking_model, build_rating_model
from hf_cf.ratings import DataSource, RatingScale, Vocab

if TYPE_CHECKING:
    from hf_cf.recommender import Recommender


def to_model_folder(rec: Recommender) -> ModelFolder:
    """Lay a recommender out as the tensors, tables and facts of a model folder."""
    tensors = {f"rating.{name}": tensor for name, tensor in rec.model.state_dict().items()}
    tensors["rating.prior.mean"] = rec.prior.mean
    tensors["rating.prior.precision"] = rec.prior.precision
    if rec.ranking is not None:
        state = rec.ranking.model.state_dict()
        tensors |= {f"ranking.{name}": tensor for name, tensor in state.items()}
        tensors["ranking.user_vectors"] = rec.ranking.user_vectors
    config = {
        "rating": {"model": rec.model.name, "settings": rec.model.settings},
        "ranking": None
        if rec.ranking is None
        else {"model": rec.ranking.model.name, "settings": rec.ranking.model.settings},
        "scale": asdict(rec.scale),
        "source": asdict(rec.source),
        "training": asdict(rec.facts),
    }
    tables = {"users": pd.DataFrame({"id": rec.users.ids}), "items": rec.catalogue}
    if rec.history is not None:
        tables["history"] = pd.DataFrame(
            {
                "user_code": rec.history.user_codes(),
                "item_code": rec.history.items,
                "rating": rec.history.stars,
            }
        )
    return ModelFolder(config, tensors, tables)


def parts_of(saved: ModelFolder, folder: str | Path) -> dict[str, Any]:
    """Build the arguments of `Recommender` from a model folder's contents.

    Raises
    ------
    ModelFormatError
        The files do not fit each other.
    """
    try:
        spec = saved.config["rating"]
        model = build_rating_model(spec["model"], spec["settings"])
        tensors = dict(saved.tensors)
        prior = UserPrior(tensors.pop("rating.prior.mean"), tensors.pop("rating.prior.precision"))
        model.load_state_dict(_named("rating.", tensors), assign=True)
        users, items = (Vocab(saved.tables[name]["id"]) for name in ("users", "items"))
        catalogue = saved.tables["items"]
        catalogue.index = pd.RangeIndex(1, len(items), name="code")
        return {
            "model": model,
            "prior": prior,
            "ranking": _ranking(saved.config["ranking"], _named("ranking.", tensors)),
            "users": users,
            "items": items,
            "catalogue": catalogue,
            "history": _history(saved.tables.get("history"), len(users)),
            "scale": RatingScale(**saved.config["scale"]),
            "source": DataSource(**saved.config["source"]),
            "facts": TrainingFacts(**saved.config["training"]),
        }
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelFormatError(f"the files do not make a model: {error}", file=folder) from error


def _named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _ranking(spec: dict[str, Any] | None, tensors: dict[str, Tensor]) -> RankingHead | None:
    if spec is None:
        return None
    model = build_ranking_model(spec["model"], spec["settings"])
    user_vectors = tensors.pop("user_vectors")
    model.load_state_dict(tensors, assign=True)
    return RankingHead(model, user_vectors)


def _history(table: pd.DataFrame | None, n_users: int) -> History | None:
    if table is None:
        return None
    users, items, stars = (table[name].to_numpy() for name in ("user_code", "item_code", "rating"))
    return History.from_codes(users, items, stars, n_users)
