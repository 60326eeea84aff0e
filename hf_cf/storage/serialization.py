"""A `TrainedModel` to a `ModelFolder` and back."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hf_cf.data.catalogue import Catalogue
from hf_cf.data.catalogue_columns import wrong_columns
from hf_cf.data.features import from_json, n_columns, to_json
from hf_cf.data.history import History
from hf_cf.data.scale import DataSource, RatingScale
from hf_cf.data.text_embedding import TextEmbedding
from hf_cf.data.vocab import Vocab
from hf_cf.errors import ModelFormatError
from hf_cf.inference.item_index import ItemIndex
from hf_cf.inference.item_tables import item_bias
from hf_cf.inference.metadata import TrainingMetadata
from hf_cf.inference.profiles import ProfileStart
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.inference.rating_head import RatingHead
from hf_cf.inference.scorer import Scorer
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.models import RANKING_MODELS, STORED_MODELS, ImplicitALS, RatingModel, UserPrior
from hf_cf.storage import tensors as t
from hf_cf.storage.card import CardContent, render_card
from hf_cf.storage.model_folder import RATINGS_TABLES, WEIGHTS, Layout, ModelFolder

StoredType = Literal["float32", "float16"]
"""How numbers are stored; in memory they are float32 always."""

_Record = TypeVar("_Record", DataSource, TrainingMetadata)


def to_model_folder(
    model: TrainedModel,
    *,
    repo_id: str | None = None,
    include_history: bool = True,
    include_users: bool = True,
    dtype: StoredType = "float32",
) -> ModelFolder:
    """Serialize a model as the tensors, tables and metadata of a model folder.

    Without users, every table with one row a user keeps the row of ``#na#`` alone, and there is
    no history; the rest serves visitors as before.
    """
    if dtype not in ("float32", "float16"):
        raise ValueError(f"dtype={dtype!r}; choose from float32, float16")
    scorer, users = model.scorer, model.users.ids
    rating = scorer.rating.model if include_users else scorer.rating.model.without_times()
    ranking = None if scorer.ranking is None else scorer.ranking.model
    tensors, settings = t.stored(model, _by_prefix(rating, ranking)), dict(rating.settings)
    if not include_users:
        users, settings["n_users"] = users[:0], 1
        for name in _tables_of_users(rating) | {each.name for each in t.TENSORS if each.of_users}:
            if name in tensors:
                tensors[name] = tensors[name][:1]
    if dtype == "float16":
        rows = (settings["n_users"], settings["n_items"])
        tensors = {name: _halved(name, tensor, rows) for name, tensor in tensors.items()}
    tables = {"users": pd.DataFrame({"id": users}), "items": model.catalogue.table}
    if include_history and include_users:
        kept = {name: getattr(model, name) for name in RATINGS_TABLES}
        tables |= {name: _ratings_table(own) for name, own in kept.items() if own is not None}
    card = render_card(
        CardContent(
            model=rating.name,
            ranking=None if ranking is None else ranking.name,
            repo_id=repo_id,
            n_users=len(users),
            example_user=next(iter(users[:1].tolist()), None),
            ratings_kept=[name for name in RATINGS_TABLES if name in tables],
            catalogue=model.catalogue.table,
            biases=item_bias(model) if scorer.predicts_stars else None,
            scale=scorer.scale,
            source=model.source,
            training=model.metadata,
            pictures=model.pictures,
        )
    )
    arrays = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
    return ModelFolder(_config(model, settings), arrays, tables, model.pictures, card)


def _config(model: TrainedModel, rating_settings: dict[str, Any]) -> dict[str, Any]:
    scorer, ranking = model.scorer, model.scorer.ranking
    config: dict[str, Any] = {
        "rating": {"model": scorer.rating.model.name, "settings": rating_settings},
        "ranking": ranking and {"model": ranking.model.name, "settings": ranking.model.settings},
        "scale": asdict(scorer.scale),
        "source": asdict(model.source),
        "training": asdict(model.metadata),
    }
    if scorer.rating.prior.noise is not None:
        config["prior"] = {"noise": scorer.rating.prior.noise}
    if scorer.profiles is not None:
        config["profiles"] = {"features": to_json(scorer.profiles.features)}
    if ranking is not None and ranking.index is not None:
        index = ranking.index
        config["index"] = {"n_lists": len(index.centres), "margin": index.margin}
    if model.text is not None:
        size, axes = model.text.axes.shape
        config["text"] = {
            "columns": list(model.text.columns), "model": model.text.model, "size": size,
            "axes": axes,
        }  # fmt: skip
    return config


def layout_of(config: dict[str, Any]) -> Layout:
    """Tell what the weights and tables of a config must look like, without taking memory.

    Raises
    ------
    ValueError
        The settings do not fit each other.
    """
    with torch.device("meta"):
        rating, ranking = _modules(config)
        n_users, n_items = rating.settings["n_users"], rating.settings["n_items"]
        if ranking is not None and ranking.settings["n_items"] != n_items:
            raise ValueError(
                f"the ranking model has {ranking.settings['n_items']} items, the rating model "
                f"{n_items}"
            )
        if config.get("index") and ranking is None:
            raise ValueError("there is an index, and no ranking model that it is of")
        profiles, index, text = (config.get(name) for name in ("profiles", "index", "text"))
        sizes = t.Sizes(
            users=n_users,
            items=n_items,
            rating=rating.vector_size,
            ranking=None if ranking is None else ranking.vector_size,
            has_own_prior=rating.has_own_prior,
            features=n_columns(from_json(profiles["features"])) if profiles else None,
            lists=index["n_lists"] if index else None,
            text=text["size"] if text else None,
            axes=text["axes"] if text else None,
        )
        tensors = t.expected(sizes, _by_prefix(rating, ranking))
    pairs = (n_users - 1) * (n_items - 1)
    rows = {"users": n_users - 1, "items": n_items - 1}
    return Layout(tensors, rows | dict.fromkeys(RATINGS_TABLES, pairs))


def read_model(folder: str | Path) -> TrainedModel:
    """Read a model folder, which may come from a stranger.

    Raises
    ------
    ModelFormatError
        A file is missing or broken, or does not fit the others.
    """
    folder = Path(folder)
    saved = ModelFolder.read(folder, layout_of)
    config, tables = saved.config, saved.tables
    try:
        text = _text(config, saved.tensors)
        scorer = _scorer(config, saved.tensors)
    except ValueError as error:
        raise ModelFormatError(str(error), file=folder / WEIGHTS) from error
    users, items = (_vocab(tables[name], folder / f"{name}.parquet") for name in ("users", "items"))
    catalogue = tables["items"].set_axis(pd.RangeIndex(1, len(items), name="code"))
    if (catalogue["n_ratings"] < 0).any():
        raise ModelFormatError("n_ratings is negative somewhere", file=folder / "items.parquet")
    if wrong := wrong_columns(catalogue):
        raise ModelFormatError(
            f"the column {wrong} is of another type than it has in a catalogue",
            file=folder / "items.parquet",
        )
    if "year" in catalogue:  # without gaps it is read as int32
        catalogue["year"] = catalogue["year"].astype("Int32")
    ratings: dict[str, History | None] = dict.fromkeys(RATINGS_TABLES)
    for name in [name for name in RATINGS_TABLES if name in tables]:
        try:
            ratings[name] = _ratings(tables[name], len(users), len(items))
        except ValueError as error:
            raise ModelFormatError(str(error), file=folder / f"{name}.parquet") from error
    return TrainedModel(
        scorer,
        users,
        Catalogue(items, catalogue),
        **ratings,
        source=_record(DataSource, config["source"]),
        metadata=_record(TrainingMetadata, config["training"]),
        pictures=saved.pictures,
        text=text,
    )


def _text(config: dict[str, Any], tensors: dict[str, Tensor]) -> TextEmbedding | None:
    centre, axes = t.TEXT_CENTRE.take(tensors), t.TEXT_AXES.take(tensors)
    if centre is None or axes is None:
        return None
    told = config["text"]
    return TextEmbedding(tuple(told["columns"]), told["model"], centre.numpy(), axes.numpy())


def _scorer(config: dict[str, Any], tensors: dict[str, Tensor]) -> Scorer:
    """Both heads from the config and the tensors, which are taken out one after another."""
    with torch.device("meta"):
        rating, ranking = _modules(config)
    mean = t.PRIOR_MEAN.take(tensors)
    assert mean is not None
    prior = UserPrior(mean, t.PRIOR_PRECISION.take(tensors), config.get("prior", {}).get("noise"))
    profiles, centre = None, t.PROFILE_CENTRE.take(tensors)
    if centre is not None:
        profiles = ProfileStart(
            from_json(config["profiles"]["features"]),
            centre,
            t.PROFILE_RATING.take(tensors),
            t.PROFILE_RANKING.take(tensors),
        )
    user_vectors = t.USER_VECTORS.take(tensors)
    centres, lists = t.INDEX_CENTRES.take(tensors), t.INDEX_LISTS.take(tensors)
    _fill(rating, t.RATING, tensors)
    head = None
    if ranking is not None and user_vectors is not None:
        _fill(ranking, t.RANKING, tensors)
        index = None
        if centres is not None and lists is not None:
            _check_lists(lists, len(centres))
            margin = config["index"]["margin"]
            index = ItemIndex(ranking.item_factors, centres, lists, margin)
        head = RankingHead(ranking, user_vectors, index)
    scale = RatingScale(**config["scale"])
    return Scorer(RatingHead(rating, prior), head, scale, profiles)


def _modules(config: dict[str, Any]) -> tuple[RatingModel, ImplicitALS | None]:
    """Build the modules of a config on the current device."""
    own, others = config["rating"], config.get("ranking")
    rating = STORED_MODELS[own["model"]](**own["settings"])
    return rating, RANKING_MODELS[others["model"]](**others["settings"]) if others else None


def _by_prefix(rating: RatingModel, ranking: ImplicitALS | None) -> dict[str, nn.Module]:
    """The modules by the prefixes of their tensors."""
    return {t.RATING: rating} | ({} if ranking is None else {t.RANKING: ranking})


def _fill(module: nn.Module, prefix: str, tensors: dict[str, Tensor]) -> None:
    """Put the tensors of a prefix into a module, in evaluation mode."""
    module.load_state_dict(t.under(prefix, tensors), assign=True)
    module.eval().requires_grad_(False)


def _check_lists(lists: Tensor, n_lists: int) -> None:
    low, high = (int(end) for end in lists.aminmax())
    if not 0 <= low <= high < n_lists:
        raise ValueError(f"lists of the index go from {low} to {high}; expected 0 to {n_lists - 1}")


def _tables_of_users(model: RatingModel) -> set[str]:
    """Names of the module's stored tensors with one row a user."""
    tables = model.tables()[0]
    return {
        f"{t.RATING}{name}.weight"
        for name, module in model.named_modules()
        if any(module is table for table in tables)
    }


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


def _record(kind: type[_Record], values: dict[str, Any]) -> _Record:
    """The fields that this version knows; a later one may have written more."""
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
    # Copies, because Arrow's memory is read-only, which PyTorch warns of.
    return History.from_lengths(np.bincount(users, minlength=n_users), items.copy(), stars.copy())
