"""Tensors, tables and metadata to the files of a model folder, and back."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import save_file
from torch import Tensor

from hf_cf.data.whole_writes import latest, replacing_together, state_of
from hf_cf.errors import ModelFormatError
from hf_cf.storage.config_schema import check_config, shown
from hf_cf.storage.tables import read_table, write_table
from hf_cf.storage.weights import read_weights

FORMAT_VERSION = 3  # text came with it, held_out.parquet with 2; a folder says what it needs
CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
REQUIRED_TABLES = ("users", "items")
RATINGS_TABLES = ("history", "held_out")
PICTURES = ("learning_curves.png", "item_map.png", "cold_start.png")
FILES = {
    CONFIG: "model types, settings, metrics, checksums",
    WEIGHTS: "numbers of the model",
    "users.parquet": "ids of the known users",
    "items.parquet": "ids and catalogue of the items",
    "history.parquet": "who rated what",
    "held_out.parquet": "ratings held out of the training",
    "learning_curves.png": "picture of the training",
    "item_map.png": "picture of the items",
    "cold_start.png": "picture of people new to the model",
    CARD: "model card",
}
"""Every name that a model folder can hold; no other file is read, downloaded or uploaded."""

ALWAYS = (CONFIG, WEIGHTS, "items.parquet")
"""Those that every model folder holds."""

_TOGETHER = "model"
_TRIES, _PAUSE = 10, 0.05  # seconds

# What predictions depend on; the rest of a config may be mended by hand.
_SEALED = (
    "format_version", "rating", "ranking", "index", "prior", "scale", "text", "files",
)  # fmt: skip
_LARGEST_CONFIG = 10_000_000
_LARGEST_PICTURE = 10_000_000
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Layout:
    """What the weights and tables of a folder must look like, going by its config.

    Attributes
    ----------
    tensors : dict of str to Tensor
        Names, shapes and types, on the device ``meta``.
    rows : dict of str to int
        Rows of each table; of ratings, at most.
    """

    tensors: dict[str, Tensor]
    rows: dict[str, int]


@dataclass(frozen=True)
class ModelFolder:
    """What a model folder holds.

    Attributes
    ----------
    config : dict
        Plain JSON values: ``format_version``, model types and sizes, scale, metrics, ...
    tensors : dict of str to Tensor
        Every tensor of both heads, names prefixed ``rating.`` and ``ranking.``.
    tables : dict of str to DataFrame
        ``users`` and ``items`` in code order; ``history`` and ``held_out`` where they are kept.
    pictures : dict of str to bytes
        PNGs for the card, by names of `PICTURES`.
    card : str
        The model card; empty when a folder was read.
    """

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    tables: dict[str, pd.DataFrame]
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    card: str = ""

    def write(self, folder: str | Path) -> None:
        """Write all files, which take the place of an earlier model's together.

        The config holds every other file's size and SHA-256, so that a file which was damaged, or
        belongs to another model, is noticed when the folder is read.

        Raises
        ------
        SaveError
            The disk is full or the folder may not be written to; an earlier model is whole.
        """
        with replacing_model(Path(folder), keep_card=not self.card) as place:
            tensors = {name: tensor.contiguous() for name, tensor in sorted(self.tensors.items())}
            save_file(tensors, place / WEIGHTS, metadata={"format": "pt"})
            for name, table in self.tables.items():
                write_table(table, place / f"{name}.parquet")
            config = {
                "format_version": 3 if "text" in self.config else 1 + ("held_out" in self.tables),
                **self.config,
                "files": {
                    path.name: {"size": path.stat().st_size, "sha256": _sha256(path)}
                    for path in sorted(place.iterdir())
                },
            }
            config["checksum"] = _checksum(config)
            text = json.dumps(config, indent=2, ensure_ascii=False, allow_nan=False)
            (place / CONFIG).write_text(text + "\n", "utf-8")
            for name, picture in self.pictures.items():
                (place / name).write_bytes(picture)
            if self.card:
                (place / CARD).write_text(self.card, "utf-8")

    @classmethod
    def read(cls, folder: str | Path, layout_of: Callable[[dict[str, Any]], Layout]) -> ModelFolder:
        """Read a model folder, which may come from a stranger.

        Names of files come from this module alone, sizes are known before anything is taken into
        memory, and nothing in the folder is executed.

        Parameters
        ----------
        folder : str or Path
            The folder.
        layout_of : callable
            Tells from a checked config what the weights and tables must look like; it raises
            ValueError for a config that no model fits.

        Raises
        ------
        ModelFormatError
            A file is missing or broken, belongs to another model, or is of a newer format.
        """
        folder = Path(folder)
        for _ in range(_TRIES):
            state = state_of(folder, _TOGETHER)
            try:
                return cls._read(folder, layout_of)
            except ModelFormatError:
                if state == state_of(folder, _TOGETHER):
                    raise
            time.sleep(_PAUSE)  # another model is taking the place of this one
        return cls._read(folder, layout_of)

    @classmethod
    def _read(cls, folder: Path, layout_of: Callable[[dict[str, Any]], Layout]) -> ModelFolder:
        try:
            return cls._read_files(folder, layout_of)
        except OSError as error:
            raise ModelFormatError(
                f"the file could not be read: {error.strerror or error}",
                file=error.filename or folder,
            ) from error

    @classmethod
    def _read_files(
        cls, folder: Path, layout_of: Callable[[dict[str, Any]], Layout]
    ) -> ModelFolder:
        def file(name: str) -> Path:
            return latest(folder, _TOGETHER, name)

        config = _read_config(file(CONFIG))
        try:
            layout = layout_of(config)
        except (ValueError, TypeError, RuntimeError, OverflowError) as error:
            raise ModelFormatError(
                f"no model has these settings: {error}", file=folder / CONFIG
            ) from error
        listed = config["files"]
        required = {WEIGHTS, *(f"{name}.parquet" for name in REQUIRED_TABLES)}
        optional = {f"{name}.parquet" for name in RATINGS_TABLES}
        if not required <= listed.keys() <= required | optional:
            raise ModelFormatError(
                f"it lists {', '.join(map(ascii, listed))}; expected {', '.join(sorted(required))}",
                file=folder / CONFIG,
            )
        for name, entry in listed.items():
            _check_file(file(name), entry)
        return cls(
            config,
            read_weights(file(WEIGHTS), layout.tensors),
            {
                name: read_table(file(f"{name}.parquet"), name, layout.rows[name])
                for name in (*REQUIRED_TABLES, *RATINGS_TABLES)
                if f"{name}.parquet" in listed
            },
            _read_pictures(map(file, PICTURES)),
        )


def files_of(folder: Path) -> dict[str, Path]:
    """Find the files of the model in a folder, by name, in their places or not there yet."""
    found = {name: latest(folder, _TOGETHER, name) for name in FILES}
    return {name: path for name, path in found.items() if path.is_file()}


def replacing_model(folder: Path, *, keep_card: bool = False) -> AbstractContextManager[Path]:
    """Give a folder to write a model to, which takes the place of the one in `folder`."""
    return replacing_together(folder, _TOGETHER, FILES.keys() - ({CARD} if keep_card else set()))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum(config: Mapping[str, Any]) -> str:
    sealed = {name: config[name] for name in _SEALED if name in config}
    return hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ModelFormatError(
            "the file is missing; a model folder is written by save_pretrained or train.py",
            file=path,
        )
    try:
        if path.stat().st_size > _LARGEST_CONFIG:
            raise ValueError(f"{path.stat().st_size:,} bytes")
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelFormatError(f"this is not JSON of a model: {error}", file=path) from error
    if not isinstance(config, dict):
        raise ModelFormatError("expected a JSON object", file=path)
    version = config.get("format_version")
    if isinstance(version, bool) or not isinstance(version, int):
        raise ModelFormatError("format_version is missing or no integer", file=path)
    if version > FORMAT_VERSION:
        raise ModelFormatError(
            f"format_version is {shown(version)}, and this hf_cf reads up to {FORMAT_VERSION}; "
            "upgrade with: pip install --upgrade hf-cf",
            file=path,
        )
    try:
        check_config(config)
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(str(error), file=path) from error
    if config["checksum"] != _checksum(config):
        raise ModelFormatError(
            f"one of {', '.join(_SEALED)} was changed after the model was saved; "
            "save or download the model again",
            file=path,
        )
    return config


def _check_file(path: Path, entry: Mapping[str, Any]) -> None:
    if not path.is_file():
        raise ModelFormatError("the file is missing", file=path)
    try:
        size = path.stat().st_size
        if size != entry["size"]:
            found = f"it has {size:,} bytes, and config.json says {entry['size']:,}"
        elif _sha256(path) != entry["sha256"]:
            found = "its checksum is not that of config.json"
        else:
            return
    except OSError as error:
        found = str(error)
    raise ModelFormatError(
        f"the file was damaged, or belongs to another model: {found}; "
        "save or download the model again",
        file=path,
    )


def _read_pictures(paths: Iterable[Path]) -> dict[str, bytes]:
    pictures = {}
    for path in paths:
        # They are for people to look at; a model whose picture is broken still predicts.
        if path.is_file() and path.stat().st_size <= _LARGEST_PICTURE:
            picture = path.read_bytes()
            if picture.startswith(_PNG):
                pictures[path.name] = picture
    return pictures
