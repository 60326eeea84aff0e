"""Folders that were damaged, swapped or forged: refused with the file's name, and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hostile import (
    NAMES,
    Files,
    answers,
    files_in,
    sealed,
    small_model,
    with_config,
    with_header,
    write,
)
from safetensors.torch import load, save

from hf_cf import ModelFormatError, Recommender
from hf_cf.models import RANKING_MODELS, RATING_MODELS
from hf_cf.storage.config_schema import SETTINGS
from hf_cf.storage.tables import read_table


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("other")
    small_model(seed=1).save_pretrained(folder)
    return files_in(folder)


def refused(folder: Path, files: Files, file: str, message: str) -> None:
    write(folder, files)
    with pytest.raises(ModelFormatError, match=message) as caught:
        Recommender.from_pretrained(folder)
    assert Path(caught.value.file).name == file


def rewritten(files: Files, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Files:
    """The files with another table in place of one, sealed again."""
    table = change(pd.read_parquet(io.BytesIO(files[f"{name}.parquet"])))
    return with_table(files, name, pa.Table.from_pandas(table, preserve_index=False))


def with_table(files: Files, name: str, table: pa.Table, **options: Any) -> Files:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **({"compression": "none"} | options))
    return sealed(files | {f"{name}.parquet": buffer.getvalue()})


def with_tensors(files: Files, change: Callable[[dict[str, torch.Tensor]], Any]) -> Files:
    tensors = load(files["model.safetensors"])
    change(tensors)
    return sealed(files | {"model.safetensors": save(tensors)})


# Accidents


def test_the_whole_folder_loads(files: Files, tmp_path: Path) -> None:
    assert answers(Recommender.from_pretrained(write(tmp_path, files))) == answers(small_model())


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(files: Files, tmp_path: Path, name: str) -> None:
    rest = {other: content for other, content in files.items() if other != name}
    refused(tmp_path, rest, name, "missing")


@pytest.mark.parametrize("name", NAMES)
def test_a_cut_file_is_named(files: Files, tmp_path: Path, name: str) -> None:
    refused(tmp_path, files | {name: files[name][:-7]}, name, "damaged|JSON")


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_file_of_another_model_is_named(
    files: Files, other: Files, tmp_path: Path, name: str
) -> None:
    refused(tmp_path, files | {name: other[name]}, name, "another model")


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_in_place_of_a_file_is_named(files: Files, tmp_path: Path, name: str) -> None:
    write(tmp_path, files)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(ModelFormatError, match="missing"):
        Recommender.from_pretrained(tmp_path)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(files: Files, tmp_path: Path) -> None:
    write(tmp_path, files)
    (tmp_path / "model.safetensors").unlink()
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(ModelFormatError, match="missing"):
        Recommender.from_pretrained(tmp_path)


# Configs


def test_a_newer_format_is_refused_before_anything_else(files: Files, tmp_path: Path) -> None:
    newer = {"format_version": 4, "entirely": "different"}
    message = "reads up to 3; upgrade with: pip install --upgrade hf-cf"
    refused(tmp_path, files | {"config.json": json.dumps(newer).encode()}, "config.json", message)


def test_an_edited_config_is_refused_unless_predictions_do_not_depend_on_it(
    files: Files, tmp_path: Path
) -> None:
    config = json.loads(files["config.json"])
    config["source"]["licence"] = "Ask first."
    edited = files | {"config.json": json.dumps(config).encode()}
    assert Recommender.from_pretrained(write(tmp_path, edited)).source.licence == "Ask first."
    config["rating"]["settings"]["y_range"] = [0.0, 5.0]
    edited = files | {"config.json": json.dumps(config).encode()}
    refused(tmp_path, edited, "config.json", "was changed after the model was saved")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("rating", "model"), "os.system", "this hf_cf knows"),
        (
            ("rating", "settings", "n_factors"),
            10**9,
            r"n_factors is 1000000000; expected an integer",
        ),
        (("rating", "settings", "n_factors"), True, "n_factors is True"),
        (("rating", "settings", "n_users"), -1, "n_users"),
        (("rating", "settings", "y_range"), [5, 0], "ascending"),
        (("rating", "settings", "y_range"), [0, 1e99], "y_range"),
        (("rating", "settings", "evil"), 1, r"settings.evil is unknown"),
        (("rating", "settings"), [], "expected an object"),
        (("ranking", "settings", "n_items"), 3, "the ranking model has 3 items"),
        (("ranking", "settings", "preference"), [1], "preference"),
        (("scale", "max"), 0, "scale goes from 1 to 0"),
        (("scale", "step"), 1e-6, "more than 10,000 levels"),
        (("scale",), None, "scale is None"),
        (("source", "name"), 7, r"source.name is 7"),
        (("source", "name"), "x" * 10**6, r"source.name is 'xxx"),
        (("training", "metrics", "valid_mse"), "low", "valid_mse is 'low'"),
        (("training", "epochs"), [[]], r"epochs\[0\]"),
        (("evil",), {}, "evil is unknown"),
        (("files", "../../etc/passwd"), {"size": 1, "sha256": "0" * 64}, "lists.*expected"),
        (("files", "README.md"), {"size": 1, "sha256": "0" * 64}, "lists.*expected"),
        (("files", "model.safetensors", "size"), 2**62, "size"),
        (("scale", "max"), 10**400, "scale.max is 1000"),
        (("training", "metrics", "valid_mse"), -(10**400), "valid_mse is -1000"),
        (("rating", "settings", "n_users"), 10**400, "n_users is 1000"),
    ],
)
def test_a_config_out_of_bounds_is_refused(
    files: Files, tmp_path: Path, path: tuple[str, ...], value: Any, message: str
) -> None:
    config = json.loads(files["config.json"])
    node = config
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    refused(
        tmp_path, files | {"config.json": json.dumps(config).encode()}, "config.json",
        f"{message}|was changed",
    )  # fmt: skip
    if path[0] != "files":
        refused(tmp_path, with_config(files, *path, value=value), "config.json", message)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"null", b"[]", b"\xff\xfe", b"{" * 100_000, b"[" * 100_000,
        b'{"format_version": ' + b"9" * 10_000 + b"}",
        b'{"format_version": true}', b'{"format_version": 1.5}', b'{"format_version": "1"}',
        b'{"format_version": ' + b"9" * 400 + b"}",
        b'{"format_version": 1}', b'{"format_version": NaN}', b'{"format_version": -1}',
    ],
)  # fmt: skip
def test_what_is_no_config_is_refused(files: Files, tmp_path: Path, text: bytes) -> None:
    refused(tmp_path, files | {"config.json": text}, "config.json", "")


def test_every_setting_of_every_model_has_bounds() -> None:
    import inspect

    for registry in (RATING_MODELS, RANKING_MODELS):
        for model in registry.values():
            arguments = inspect.signature(model).parameters
            assert arguments.keys() <= SETTINGS.keys(), model.__name__


# Weights


def test_a_header_that_claims_terabytes_is_refused_at_once(files: Files, tmp_path: Path) -> None:
    def claim(header: dict[str, Any]) -> None:
        header["rating.u_weight.weight"] |= {"shape": [2**38, 4], "data_offsets": [0, 2**42]}

    refused(tmp_path, with_header(files, claim), "model.safetensors", "the file has|bytes")
    huge = files["model.safetensors"][8:]
    for length in (2**63, 2**40, 99_999_999):
        cheat = sealed(files | {"model.safetensors": struct.pack("<Q", length) + huge})
        refused(tmp_path, cheat, "model.safetensors", "a header of")


def test_a_config_that_claims_terabytes_costs_nothing(files: Files, tmp_path: Path) -> None:
    for name, value in (("n_users", 2**31 - 1), ("n_factors", 2**16)):
        cheat = with_config(files, "rating", "settings", name, value=value)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        refused(tmp_path, cheat, "model.safetensors", "config.json says")
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("rating.u_bias.weight"), "rating.u_bias.weight' is missing"),
        (lambda t: t.update(evil=torch.zeros(1)), "evil' is not part"),
        (lambda t: t["rating.u_weight.weight"].fill_(torch.nan), "NaN or infinity"),
        (lambda t: t["rating.i_bias.weight"][-1].fill_(torch.inf), "NaN or infinity"),
        (lambda t: t["ranking.user_vectors"][0].fill_(-torch.inf), "NaN or infinity"),
        (lambda t: t["rating.prior.mean"].fill_(torch.nan), "NaN or infinity"),
        (lambda t: t.update({"rating.prior.mean": torch.zeros(9)}), r"shape \[9\]; config.json"),
        (lambda t: t.update({"rating.prior.mean": torch.zeros(5, dtype=torch.int64)}), "I64"),
        (lambda t: t.update({"rating.prior.mean": torch.zeros(5).double()}), "F64"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    files: Files, tmp_path: Path, change: Callable[[Any], Any], message: str
) -> None:
    refused(tmp_path, with_tensors(files, change), "model.safetensors", message)


def _overlap(header: dict[str, Any]) -> None:
    one, two = header["rating.u_weight.weight"], header["rating.i_bias.weight"]
    two["data_offsets"] = [one["data_offsets"][0], one["data_offsets"][0] + 64]


@pytest.mark.parametrize(
    "change",
    [
        _overlap,
        lambda header: header["rating.u_weight.weight"].pop("shape"),
        lambda header: header["rating.u_weight.weight"].update(shape="13"),
        lambda header: header["rating.u_weight.weight"].update(shape=[-13, -4]),
        lambda header: header["rating.u_weight.weight"].update(shape=[13.0, 4]),
        lambda header: header["rating.u_weight.weight"].update(shape=[True] * 4),
        lambda header: header["rating.u_weight.weight"].update(shape=[2**63, 2**63]),
        lambda header: header["rating.u_weight.weight"].update(shape=[1] * 1000),
        lambda header: header["rating.u_weight.weight"].update(data_offsets=[208, 0]),
        lambda header: header["rating.u_weight.weight"].update(data_offsets=[0]),
        lambda header: header["rating.u_weight.weight"].update(dtype=["F32"]),
        lambda header: header.update({"rating.u_weight.weight": None}),
        lambda header: [header],
        lambda header: "header",
    ],
)
def test_a_forged_header_is_refused(
    files: Files, tmp_path: Path, change: Callable[[Any], Any]
) -> None:
    refused(tmp_path, with_header(files, change), "model.safetensors", "")


# Tables


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("users", lambda t: t.iloc[:-1], "there are 11 rows; config.json says 12"),
        ("users", lambda t: t.assign(id=5), "stands twice"),
        ("users", lambda t: t.rename(columns={"id": "name"}), "the column id is missing"),
        ("users", lambda t: t.assign(id=t["id"] * 0.5), "the column id holds double"),
        ("users", lambda t: t.assign(id=t["id"].astype("Int64").where(t["id"] > 3)), "has gaps"),
        ("users", lambda t: t.assign(secret=1), "does not belong"),
        ("items", lambda t: t.assign(id=t["id"].iloc[::-1] // 2), "stands twice"),
        ("items", lambda t: t.assign(title=None), "the column title holds null"),
        ("items", lambda t: t.assign(title=t["title"].where(t["id"] > 3)), "has gaps"),
        ("items", lambda t: t.assign(title="x" * 10**6), "1,000,000 bytes"),
        ("items", lambda t: t.assign(n_ratings=-1), "negative"),
        ("items", lambda t: t.drop(columns="n_ratings"), "the column n_ratings is missing"),
        ("items", lambda t: t.assign(tags=[["a"]] * len(t)), "the column 'tags' holds list"),
        ("history", lambda t: t.assign(user_code=np.int32(13)), "codes from 1 to 12"),
        ("history", lambda t: t.assign(item_code=np.int32(0)), "codes from 1 to 15"),
        ("history", lambda t: t.assign(item_code=np.int32(-5)), "codes from 1 to 15"),
        ("history", lambda t: t.assign(rating=np.float32("inf")), "NaN or infinite"),
        ("history", lambda t: t.iloc[::-1], "not sorted"),
        ("history", lambda t: pd.concat([t.iloc[:1], t]), "stands twice"),
        ("history", lambda t: pd.concat([t] * 4), "of at most 180"),
        ("history", lambda t: t.astype("int64"), "user_code holds int64; expected int32"),
        ("held_out", lambda t: t.assign(user_code=np.int32(13)), "codes from 1 to 12"),
        ("held_out", lambda t: pd.concat([t] * 20), "of at most 180"),
        ("held_out", lambda t: t.drop(columns="rating"), "the column rating is missing"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    files: Files, tmp_path: Path, name: str, change: Callable[[Any], Any], message: str
) -> None:
    refused(tmp_path, rewritten(files, name, change), f"{name}.parquet", message)


def test_a_table_that_would_swell_is_refused(files: Files, tmp_path: Path) -> None:
    table = pq.read_table(io.BytesIO(files["items.parquet"]))
    refused(
        tmp_path, with_table(files, "items", table, compression="gzip"), "items.parquet",
        "compressed",
    )  # fmt: skip
    many = 5_000_000
    column = pa.array(np.ones(many, np.int32))
    rows = pa.table({"user_code": column, "item_code": column, "rating": column.cast("float32")})
    bomb = with_table(files, "history", rows)
    assert len(bomb["history.parquet"]) < 100_000
    refused(tmp_path, bomb, "history.parquet", "5,000,000 ratings")


@pytest.mark.parametrize("codec", [2, 8, 2**31 - 1])
def test_a_footer_that_misstates_a_column_is_refused(
    files: Files, tmp_path: Path, codec: int
) -> None:
    whole = files["users.parquet"]
    codec_and_values = b"\x15\x00\x16\x18"  # fields 4 and 5: uncompressed, 12 values
    assert whole.count(codec_and_values) == 1

    def forged(fields: bytes) -> Files:
        footer = struct.unpack("<I", whole[-8:-4])[0] + len(fields) - len(codec_and_values)
        raw = whole[:-8].replace(codec_and_values, fields) + struct.pack("<I", footer) + b"PAR1"
        return sealed(files | {"users.parquet": raw})

    value = varint(2 * codec)
    refused(
        tmp_path, forged(b"\x15" + value + b"\x16\x18"), "users.parquet", "a column is compressed"
    )
    # The codec told again: as field 4, and as 65,540, which is 4 to whoever keeps 16 bits.
    for number in (4, 4 + 2**16):
        again = b"\x05" + varint(2 * number) + value
        refused(
            tmp_path, forged(b"\x15\x00" + again + b"\x06\x0a\x18"), "users.parquet", "stands twice"
        )
    refused(tmp_path, forged(b"\x15\x00\x16\x1a"), "users.parquet", "13 values in 12 rows")


def varint(value: int) -> bytes:
    head = [value >> shift & 127 | 128 for shift in range(0, max(1, value.bit_length()), 7)]
    return bytes([*head[:-1], head[-1] & 127])


@pytest.mark.parametrize("name", ["users", "items", "history", "held_out"])
def test_no_byte_of_a_footer_ends_the_process(files: Files, scratch: Path, name: str) -> None:
    whole = files[f"{name}.parquet"]
    rows = pq.read_metadata(io.BytesIO(whole)).num_rows
    path = scratch / f"{name}.parquet"
    for at in range(len(whole) - 8 - struct.unpack("<I", whole[-8:-4])[0], len(whole)):
        for value in {0, 0x7F, 0xFF, whole[at] ^ 1, whole[at] + 2 & 0xFF}:
            path.write_bytes(whole[:at] + bytes([value]) + whole[at + 1 :])
            with contextlib.suppress(ModelFormatError):
                read_table(path, name, rows)


def test_text_that_is_no_text_is_refused(files: Files, tmp_path: Path) -> None:
    broken = files["items.parquet"].replace(b"Film 3", b"Film\xff3")
    refused(tmp_path, sealed(files | {"items.parquet": broken}), "items.parquet", "[Ii]nvalid")


def test_nothing_in_a_folder_is_unpickled_or_imported(files: Files, tmp_path: Path) -> None:
    evil = b"cos\nsystem\n(S'touch pwned'\ntR."
    table = pq.read_table(io.BytesIO(files["users.parquet"]))
    schema = table.schema.with_metadata({"pandas": evil})
    forged = with_table(files, "users", table.cast(schema))
    for name in ("model.bin", "hf_cf.py", "__init__.py", "torch.py", "pandas.py"):
        forged[name] = b"raise SystemExit('executed')" if name.endswith("py") else evil
    write(tmp_path, forged)
    code = (
        "import pickle\n"
        "import hf_cf\n"
        "def refuse(*_, **__): raise SystemExit('unpickled')\n"
        "pickle.loads = pickle.load = pickle.Unpickler = refuse\n"
        "rec = hf_cf.Recommender.from_pretrained('.')\n"
        "print(len(rec.users))\n"
    )
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.stdout == "13\n", run.stderr
    assert not (tmp_path / "pwned").exists()
