"""Any damage at all to a model folder: refused with words, or harmless."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile import (
    NAMES,
    Files,
    answers,
    sealed,
    small_model,
    with_header,
    write,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_cf import ModelFormatError, Recommender


@st.composite
def damage(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A way to damage bytes: overwritten, cut, torn apart or repeated at any place."""
    kind = draw(st.sampled_from(("flip", "overwrite", "cut", "drop", "insert", "repeat", "zero")))
    at, span = draw(st.floats(0, 1)), draw(st.integers(1, 64))
    new = draw(st.binary(min_size=1, max_size=16))
    bit = draw(st.integers(0, 7))

    def apply(raw: bytes) -> bytes:
        start = min(int(at * len(raw)), len(raw) - 1)
        stop = start + span
        return {
            "flip": lambda: raw[:start] + bytes([raw[start] ^ 1 << bit]) + raw[start + 1 :],
            "overwrite": lambda: raw[:start] + new + raw[start + len(new) :],
            "cut": lambda: raw[:start],
            "drop": lambda: raw[:start] + raw[stop:],
            "insert": lambda: raw[:start] + new + raw[start:],
            "repeat": lambda: raw[:stop] + raw[start:],
            "zero": lambda: raw[:start] + bytes(min(span, len(raw) - start)) + raw[stop:],
        }[kind]()

    return apply


ANY_VALUE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-3, 20), st.floats(), st.text(max_size=9),
    st.sampled_from([2**31, 2**63, 10**400, 1e308, -0.0, "../../x", [], {}, [[]], "\ud800", "F16"]),
    st.lists(st.integers(-2, 9), max_size=4),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)  # fmt: skip


@st.composite
def edit(draw: st.DrawFn) -> Callable[[Any], Any]:
    """A way to change JSON: some field, at any depth, replaced, removed, added or doubled."""
    turns = draw(st.lists(st.integers(0, 50), min_size=1, max_size=6))
    kind = draw(st.sampled_from(("replace", "replace", "remove", "add", "nudge")))
    value, name = draw(ANY_VALUE), draw(st.text(max_size=6))

    def apply(root: Any) -> Any:
        node, parent, key = root, None, None
        for turn in turns:
            keys: list[Any] = (
                list(node) if isinstance(node, dict)
                else list(range(len(node))) if isinstance(node, list) else []
            )  # fmt: skip
            if not keys:
                break
            parent, key = node, keys[turn % len(keys)]
            node = node[key]
        if kind == "nudge" and type(node) in (int, float):
            parent[key] = node + 1
        elif kind == "remove":
            del parent[key]
        elif kind == "add" and isinstance(node, dict):
            node[name] = value
        else:
            parent[key] = value
        return root

    return apply


def load_or_refuse(folder: Path, files: Files) -> Recommender | None:
    """What comes of a folder; anything but a model or a `ModelFormatError` is raised."""
    write(folder, files)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return Recommender.from_pretrained(folder)
        except ModelFormatError as error:
            assert Path(error.file).parent == folder
            return None


def check_accident(scratch: Path, files: Files, name: str, apply: Callable[[bytes], bytes]) -> None:
    loaded = load_or_refuse(scratch, files | {name: apply(files[name])})
    assert loaded is None or answers(loaded) == answers(small_model())


def check_edit(scratch: Path, files: Files, apply: Callable[[Any], Any]) -> None:
    config = json.dumps(apply(json.loads(files["config.json"]))).encode()
    loaded = load_or_refuse(scratch, files | {"config.json": config})
    assert loaded is None or answers(loaded) == answers(small_model())
    load_or_refuse(scratch, sealed(files | {"config.json": config}))


def check_forgery(scratch: Path, files: Files, name: str, apply: Callable[[bytes], bytes]) -> None:
    load_or_refuse(scratch, sealed(files | {name: apply(files[name])}))


def check_forged_header(scratch: Path, files: Files, apply: Callable[[Any], Any]) -> None:
    load_or_refuse(scratch, with_header(files, apply))


COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
CHECKS = {
    "accident": (check_accident, st.tuples(st.sampled_from(NAMES), damage())),
    "edit": (check_edit, st.tuples(edit())),
    "forgery": (check_forgery, st.tuples(st.sampled_from(NAMES), damage())),
    "forged header": (check_forged_header, st.tuples(edit())),
}


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize(
    "examples", [60, pytest.param(2500, marks=pytest.mark.slow, id="thousands")]
)
def test_any_damage_is_refused_or_harmless(
    files: Files, scratch: Path, kind: str, examples: int
) -> None:
    """Ten thousand folders over the four kinds of damage."""
    check, damages = CHECKS[kind]

    @settings(max_examples=examples, **COMMON)
    @given(damages)
    def run(drawn: tuple[Any, ...]) -> None:
        check(scratch, files, *drawn)

    run()
