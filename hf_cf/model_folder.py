"""Tensors, tables and facts to the files of a model folder, and back."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hf_cf.errors import ModelFormatError

FORMAT_VERSION = 1
CONFIG, WEIGHTS = "config.json", "model.safetensors"
REQUIRED_TABLES = ("users", "items")
OPTIONAL_TABLES = ("history",)
_IDENTITY = "hf_cf_model"


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
        ``users`` and ``items`` in code order, and ``history`` where it is kept.
    """

    config: dict[str, Any]
    tensors: dict[str, Tensor]
    tables: dict[str, pd.DataFrame]

    def write(self, folder: str | Path) -> None:
        """Write all files, each whole or not at all; ``config.json`` comes last.

        The files carry the same identity, taken from the weights, so that a file of another model
        is noticed when the folder is read.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.contiguous() for name, tensor in sorted(self.tensors.items())}
        identity = _identity(tensors)
        with replacing(folder / WEIGHTS) as temporary:
            save_file(tensors, temporary, metadata={"format": "pt", _IDENTITY: identity})
        for name in (*REQUIRED_TABLES, *OPTIONAL_TABLES):
            path = folder / f"{name}.parquet"
            if name not in self.tables:
                path.unlink(missing_ok=True)
                continue
            table = pa.Table.from_pandas(self.tables[name], preserve_index=False)
            metadata = {**(table.schema.metadata or {}), _IDENTITY: identity}
            with replacing(path) as temporary:
                pq.write_table(table.replace_schema_metadata(metadata), temporary)
        config = {"format_version": FORMAT_VERSION, "identity": identity, **self.config}
        with replacing(folder / CONFIG) as temporary:
            temporary.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def read(cls, folder: str | Path) -> ModelFolder:
        """Read a model folder.

        Raises
        ------
        ModelFormatError
            A file is missing or broken, belongs to another model, or is of a newer format.
        """
        folder = Path(folder)
        config = _read_config(folder / CONFIG)
        identity = config.get("identity")
        tensors = _read_weights(folder / WEIGHTS, identity)
        tables = {
            name: _read_table(folder / f"{name}.parquet", identity)
            for name in (*REQUIRED_TABLES, *OPTIONAL_TABLES)
            if name in REQUIRED_TABLES or (folder / f"{name}.parquet").exists()
        }
        return cls(config, tensors, tables)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path` to write to, and rename it when all went well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # safetensors writes a file that only its owner may read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _identity(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:32]


def _read_config(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise ModelFormatError(
            "the file is missing; a model folder is written by save_pretrained or train.py",
            file=path,
        )
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFormatError(f"this is not JSON: {error}", file=path) from error
    if not isinstance(config, dict):
        raise ModelFormatError("expected a JSON object", file=path)
    version = config.get("format_version")
    if not isinstance(version, int):
        raise ModelFormatError(f"format_version is {version!r}; expected an integer", file=path)
    if version > FORMAT_VERSION:
        raise ModelFormatError(
            f"format_version is {version}, and this hf_cf reads up to {FORMAT_VERSION}; "
            "upgrade with: pip install --upgrade hf-cf",
            file=path,
        )
    return config


def _read_weights(path: Path, identity: Any) -> dict[str, Tensor]:
    if not path.exists():
        raise ModelFormatError("the file is missing", file=path)
    try:
        with safe_open(path, framework="pt") as weights:
            _check_identity(path, (weights.metadata() or {}).get(_IDENTITY), identity)
            return {name: weights.get_tensor(name).clone() for name in weights.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelFormatError(f"this is not a safetensors file: {error}", file=path) from error


def _read_table(path: Path, identity: Any) -> pd.DataFrame:
    if not path.exists():
        raise ModelFormatError("the file is missing", file=path)
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ModelFormatError(f"this is not a Parquet file: {error}", file=path) from error
    found = (table.schema.metadata or {}).get(_IDENTITY.encode())
    _check_identity(path, found.decode("utf-8", "replace") if found else None, identity)
    return table.to_pandas()


def _check_identity(path: Path, found: str | None, expected: Any) -> None:
    if found != expected:
        raise ModelFormatError(
            f"the file belongs to another model ({found}) than config.json ({expected}); "
            "save or download the model again",
            file=path,
        )
