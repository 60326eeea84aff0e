"""Reading ``model.safetensors`` from strangers: what it claims is checked before it is believed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from hf_cf.errors import ModelFormatError

_LONGEST_HEADER = 1_000_000
_FLOATS = {"F32": torch.float32, "F16": torch.float16}
_INTEGERS = {"I64": torch.int64}


def read_weights(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read every tensor of a safetensors file, float32 also where it is stored as float16.

    The header is compared with what is expected and with the size of the file before memory is
    taken. Tensors are read and not mapped: a mapped file kills the process when somebody
    shortens it, and its tensors lie at addresses at which sums round differently.

    Parameters
    ----------
    path : Path
        The file.
    expected : mapping of str to Tensor
        Names, shapes and types: tensors on the device ``meta``.

    Raises
    ------
    ModelFormatError
        The file does not hold what is expected, or numbers that are not finite.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            layout = _layout(file, size)
            _compare(layout, expected)
        except (ValueError, RecursionError) as error:
            raise ModelFormatError(str(error), file=path) from error
        tensors = {}
        for name, (kind, shape) in layout.items():
            tensor = torch.empty(shape, dtype=(_FLOATS | _INTEGERS)[kind])
            raw = tensor.flatten().numpy().view(np.uint8)
            if file.readinto(raw.data) != raw.nbytes:
                raise ModelFormatError("the file ends before its tensors do", file=path)
            if tensor.is_floating_point() and tensor.numel():
                # Extremes tell of every infinity and NaN, and need no memory.
                if not torch.stack(tensor.aminmax()).isfinite().all():
                    raise ModelFormatError(f"{name} holds NaN or infinity", file=path)
                tensor = tensor.float()
            tensors[name] = tensor
    return tensors


def _layout(file: BinaryIO, size: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of each tensor in the order of the file, which they fill without gaps."""
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(_LONGEST_HEADER, size - 8):
        raise ValueError(
            f"this is not a safetensors file: a header of {length:,} bytes in a file of {size:,}"
        )
    try:
        header = json.loads(file.read(length), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this is not a safetensors file: {error}") from error
    if not isinstance(header, dict):
        raise ValueError("this is not a safetensors file: its header is no object")
    header.pop("__metadata__", None)
    spans = []
    for name, entry in header.items():
        kind, shape, begin, end = _entry(name, entry)
        numbers = math.prod(shape) * (_FLOATS | _INTEGERS)[kind].itemsize
        if end - begin != numbers:
            raise ValueError(
                f"{name} has the shape {list(shape)} and {end - begin:,} bytes; "
                f"expected {numbers:,}"
            )
        spans.append((begin, end, name, (kind, shape)))
    spans.sort(key=lambda span: span[:2])
    ends = [0, *(end for _, end, *_ in spans)]
    if [begin for begin, *_ in spans] != ends[:-1] or 8 + length + ends[-1] != size:
        raise ValueError(
            f"the header describes {8 + length + ends[-1]:,} bytes, and the file has {size:,}; "
            "it was cut, or tensors overlap"
        )
    return {name: what for _, _, name, what in spans}


def _entry(name: str, entry: Any) -> tuple[str, tuple[int, ...], int, int]:
    try:
        kind, shape, (begin, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the header does not describe {name!a:.80}") from error
    if not isinstance(kind, str) or kind not in _FLOATS | _INTEGERS:
        raise ValueError(f"{name!a:.80} is of type {kind!a:.20}; expected F32, F16 or I64")
    numbers = (*shape, begin, end)
    if len(shape) > 4 or any(type(n) is not int or not 0 <= n < 2**50 for n in numbers):
        raise ValueError(f"the header describes {name!a:.80} by numbers out of bounds")
    return kind, shape, begin, end


def _compare(
    layout: Mapping[str, tuple[str, tuple[int, ...]]], expected: Mapping[str, Tensor]
) -> None:
    for name in sorted(layout.keys() ^ expected.keys()):
        found = "is missing" if name in expected else "is not part of such a model"
        raise ValueError(f"the tensor {name!a:.80} {found} (config.json says which)")
    for name, (kind, shape) in layout.items():
        model = expected[name]
        if shape != tuple(model.shape):
            raise ValueError(
                f"{name} has the shape {list(shape)}; config.json says {list(model.shape)}"
            )
        if kind not in (_FLOATS if model.is_floating_point() else _INTEGERS):
            raise ValueError(f"{name} is of type {kind}; expected {model.dtype}")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name stands twice in its header")
    return table
