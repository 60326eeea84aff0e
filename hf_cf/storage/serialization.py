"""A `Recommender`'s parts to a `ModelFolder` and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hf_cf.data.features import from_json, n_columns, to_json
from hf_cf.data.history import History
from hf_cf.data.scale import DataSource, RatingScale
from hf_cf.data.vocab import Vocab
from hf_cf.errors import ModelFormatError
from hf_cf.inference.item_index import ItemIndex
from hf_cf.inference.metadata import TrainingMetadata
from hf_cf.inference.profiles import ProfileStart
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.models import RatingModel, UserPrior, build_ranking_model, build_rating_model
from hf_cf.storage.card import CardContent, render_card
from hf_cf.storage.model_folder import RATINGS_TABLES, WEIGHTS, Layout, ModelFolder

if TYPE_CHECKING:
    from hf_cf.trained_model import TrainedModel

StoredType = Literal["float32", "float16"]
"""How numbers are stored; in memory they are float32 always."""

_INDEX = ("ranking.index.centres", "ranking.index.lists")

_Metadata = TypeVar("_Metadata", DataSource, TrainingMetadata)


def to_model_folder(
    rec: TrainedModel,
    *,
    repo_id: str | None = None,
    include_history: bool = True,
    include_users: bool = True,
    dtype: StoredType = "float32",
) -> ModelFolder:
    """Lay a recommender out as the tensors, tables and facts of a model folder.

    Without users, every table with one row a user keeps the row of ``#na#`` alone, and there is
    no history; the rest serves visitors as before.
    """
    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype={dtype!r}; choose from float32, float16")
    model = rec.model if include_users else rec.model.without_times()
    tensors = {f"rating.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors["rating.prior.mean"] = rec.prior.mean
    if rec.prior.precision is not None and not rec.model.has_own_prior:
        tensors["rating.prior.precision"] = rec.prior.precision
    rating_settings, ranking = dict(model.settings), None
    if rec.ranking is not None:
        state = rec.ranking.model.state_dict()
        tensors |= {f"ranking.{name}": tensor for name, tensor in state.items()}
        tensors["ranking.user_vectors"] = rec.ranking.user_vectors
        ranking = {"model": rec.ranking.model.name, "settings": rec.ranking.model.settings}
        tensors |= _index_tensors(rec.ranking.index)
    tensors |= _profile_tensors(rec.profiles)
    users = rec.users.ids
    if not include_users:
        users, rating_settings["n_users"] = users[:0], 1
        for name in _tables_of_users(rec.model, rec.ranking is not None):
            tensors[name] = tensors[name][:1]
    if dtype == "float16":
        rows = (rating_settings["n_users"], rating_settings["n_items"])
        tensors = {name: _halved(name, tensor, rows) for name, tensor in tensors.items()}
    tables = {"users": pd.DataFrame({"id": users}), "items": rec.catalogue}
    if include_history and include_users:
        kept = {name: getattr(rec, name) for name in RATINGS_TABLES}
        tables |= {name: _ratings_table(own) for name, own in kept.items() if own is not None}
    config = {
        "rating": {"model": rec.model.name, "settings": rating_settings},
        "ranking": ranking,
        "scale": asdict(rec.scale),
        "source": asdict(rec.source),
        "training": asdict(rec.metadata),
        **_visitors_config(rec),
        **_index_config(rec.ranking),
    }
    card = render_card(
        CardContent(
            model=rec.model.name,
            ranking=None if rec.ranking is None else rec.ranking.model.name,
            repo_id=repo_id,
            users=users.tolist(),
            ratings_kept=[name for name in RATINGS_TABLES if name in tables],
            catalogue=rec.catalogue,
            biases=rec.item_bias(),
            scale=rec.scale,
            source=rec.source,
            training=rec.metadata,
            pictures=rec.pictures,
        )
    )
    arrays = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
    return ModelFolder(config, arrays, tables, rec.pictures, card)


def layout_of(config: dict[str, Any]) -> Layout:
    """Tell what the weights and tables of a config must look like, without taking memory.

    Raises
    ------
    ValueError
        The settings do not fit each other.
    """
    with torch.device("meta"):
        model = _rating_model(config)
        tensors = {f"rating.{name}": tensor for name, tensor in model.state_dict().items()}
        tensors["rating.prior.mean"] = torch.empty(model.vector_size)
        if not model.has_own_prior:
            tensors["rating.prior.precision"] = torch.empty(model.vector_size, model.vector_size)
        n_users, n_items = model.settings["n_users"], model.settings["n_items"]
        if config.get("ranking"):
            ranking = _ranking_model(config)
            if ranking.settings["n_items"] != n_items:
                raise ValueError(
                    f"the ranking model has {ranking.settings['n_items']} items, the rating "
                    f"model {n_items}"
                )
            tensors |= {f"ranking.{name}": t for name, t in ranking.state_dict().items()}
            tensors["ranking.user_vectors"] = torch.empty(n_users, ranking.vector_size)
        if config.get("index"):
            if not config.get("ranking"):
                raise ValueError("there is an index, and no ranking model that it is of")
            shape = config["index"]["n_lists"], ranking.vector_size
            tensors[_INDEX[0]] = torch.empty(shape)
            tensors[_INDEX[1]] = torch.empty(n_items, dtype=torch.int64)
        if config.get("profiles"):
            width = n_columns(from_json(config["profiles"]["features"]))
            tensors["rating.profiles.centre"] = torch.empty(width)
            if not model.has_own_prior:
                tensors["rating.profiles.weights"] = torch.empty(width, model.vector_size)
            if config.get("ranking"):
                tensors["ranking.profiles.weights"] = torch.empty(width, ranking.vector_size)
    pairs = (n_users - 1) * (n_items - 1)
    rows = {"users": n_users - 1, "items": n_items - 1}
    return Layout(tensors, rows | dict.fromkeys(RATINGS_TABLES, pairs))


def parts_of(folder: str | Path) -> dict[str, Any]:
    """Read the arguments of `Recommender` from a model folder, which may come from a stranger.

    Raises
    ------
    ModelFormatError
        A file is missing or broken, or does not fit the others.
    """
    folder = Path(folder)
    saved = ModelFolder.read(folder, layout_of)
    config, tensors, tables = saved.config, saved.tensors, saved.tables
    with torch.device("meta"):
        model = _rating_model(config)
        ranking = _ranking_model(config) if config.get("ranking") else None
    prior = UserPrior(
        tensors.pop("rating.prior.mean"),
        tensors.pop("rating.prior.precision", None),
        config.get("prior", {}).get("noise"),
    )
    profiles = None
    if config.get("profiles"):
        profiles = ProfileStart(
            from_json(config["profiles"]["features"]),
            tensors.pop("rating.profiles.centre"),
            tensors.pop("rating.profiles.weights", None),
            tensors.pop("ranking.profiles.weights", None),
        )
    model.load_state_dict(_named("rating.", tensors), assign=True)
    head = None
    if ranking is not None:
        user_vectors = tensors.pop("ranking.user_vectors")
        parts = [tensors.pop(name, None) for name in _INDEX]
        ranking.load_state_dict(_named("ranking.", tensors), assign=True)
        try:
            index = _index(config, ranking.item_factors, *parts)
        except ValueError as error:
            raise ModelFormatError(str(error), file=folder / WEIGHTS) from error
        head = RankingHead(ranking, user_vectors, index)
    users, items = (_vocab(tables[name], folder / f"{name}.parquet") for name in ("users", "items"))
    catalogue = tables["items"].set_axis(pd.RangeIndex(1, len(items), name="code"))
    if (catalogue["n_ratings"] < 0).any():
        raise ModelFormatError("n_ratings is negative somewhere", file=folder / "items.parquet")
    ratings: dict[str, History | None] = dict.fromkeys(RATINGS_TABLES)
    for name in [name for name in RATINGS_TABLES if name in tables]:
        try:
            ratings[name] = _ratings(tables[name], len(users), len(items))
        except ValueError as error:
            raise ModelFormatError(str(error), file=folder / f"{name}.parquet") from error
    return {
        "model": model,
        "prior": prior,
        "ranking": head,
        "users": users,
        "items": items,
        "catalogue": catalogue,
        **ratings,
        "scale": RatingScale(**config["scale"]),
        "source": _metadata(DataSource, config["source"]),
        "facts": _metadata(TrainingMetadata, config["training"]),
        "pictures": saved.pictures,
        "profiles": profiles,
    }


def _rating_model(config: dict[str, Any]) -> RatingModel:
    return build_rating_model(config["rating"]["model"], config["rating"]["settings"])


def _ranking_model(config: dict[str, Any]) -> Any:
    return build_ranking_model(config["ranking"]["model"], config["ranking"]["settings"])


def _named(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _visitors_config(rec: TrainedModel) -> dict[str, Any]:
    """What is known of visitors, where it was estimated."""
    known: dict[str, Any] = {}
    if rec.prior.noise is not None:
        known["prior"] = {"noise": rec.prior.noise}
    if rec.profiles is not None:
        known["profiles"] = {"features": to_json(rec.profiles.features)}
    return known


def _profile_tensors(profiles: ProfileStart | None) -> dict[str, Tensor]:
    if profiles is None:
        return {}
    parts = {
        "rating.profiles.centre": profiles.centre,
        "rating.profiles.weights": profiles.rating,
        "ranking.profiles.weights": profiles.ranking,
    }
    return {name: part for name, part in parts.items() if part is not None}


def _index_config(ranking: RankingHead | None) -> dict[str, Any]:
    if ranking is None or ranking.index is None:
        return {}
    return {"index": {"n_lists": len(ranking.index.centres), "margin": ranking.index.margin}}


def _index_tensors(index: ItemIndex | None) -> dict[str, Tensor]:
    if index is None:
        return {}
    return dict(zip(_INDEX, (index.centres, index.lists), strict=True))


def _index(
    config: dict[str, Any], vectors: Tensor, centres: Tensor | None, lists: Tensor | None
) -> ItemIndex | None:
    if centres is None or lists is None:
        return None
    low, high = (int(end) for end in lists.aminmax())
    if not 0 <= low <= high < len(centres):
        raise ValueError(
            f"lists of the index go from {low} to {high}; expected 0 to {len(centres) - 1}"
        )
    return ItemIndex(vectors, centres, lists, config["index"]["margin"])


def _tables_of_users(model: RatingModel, has_ranking: bool) -> list[str]:
    """Names of the stored tensors with one row a user."""
    tables = model.tables()[0]
    names = [
        f"rating.{name}.weight"
        for name, module in model.named_modules()
        if any(module is table for table in tables)
    ]
    return [*names, "ranking.user_vectors"] if has_ranking else names


def _halved(name: str, tensor: Tensor, rows: tuple[int, int]) -> Tensor:
    """Store a table of users or items in half the bytes; what is small stays as it is."""
    if tensor.dtype != torch.float32 or tensor.dim() != 2 or tensor.shape[0] not in rows:
        return tensor
    half = tensor.half()
    if not half.isfinite().all():
        raise ValueError(f"{name} has numbers beyond float16; save the model as float32")
    return half


def _vocab(table: pd.DataFrame, path: Path) -> Vocab:
    try:
        return Vocab(table["id"])
    except ValueError as error:
        raise ModelFormatError(str(error), file=path) from error


def _metadata(kind: type[_Metadata], values: dict[str, Any]) -> _Metadata:
    """Facts that this version knows; a later one may have written more."""
    known = {item.name for item in fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in known})


def _ratings_table(history: History) -> pd.DataFrame:
    # In the order of both codes, repeated pairs are seen on reading without sorting again.
    users, items, stars = history.user_codes(), history.items, history.stars
    if not ((users[1:] > users[:-1]) | (items[1:] > items[:-1])).all():
        order = np.lexsort((items, users))
        users, items, stars = users[order], items[order], stars[order]
    return pd.DataFrame({"user_code": users, "item_code": items, "rating": stars})


def _ratings(table: pd.DataFrame, n_users: int, n_items: int) -> History:
    users, items, stars = (table[name].to_numpy() for name in ("user_code", "item_code", "rating"))
    for name, codes, n in (("user_code", users, n_users), ("item_code", items, n_items)):
        if len(codes) and not 1 <= codes.min() <= codes.max() < n:
            raise ValueError(
                f"{name} goes from {codes.min()} to {codes.max()}; expected codes from 1 to {n - 1}"
            )
    if not np.isfinite(stars).all():
        raise ValueError("a rating is NaN or infinite")
    later, same = users[1:] > users[:-1], users[1:] == users[:-1]
    if not (later | (same & (items[1:] > items[:-1]))).all():
        raise ValueError("the ratings are not sorted, or one stands twice")
    starts = np.zeros(n_users + 1, np.int64)
    np.cumsum(np.bincount(users, minlength=n_users), out=starts[1:])
    # Copies, because Arrow's memory is read-only, which PyTorch warns of.
    return History(starts, items.copy(), stars.copy())
