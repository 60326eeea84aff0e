"""What may stand in the ``config.json`` of a model folder: fields, types and bounds.

A folder may come from a stranger, so nothing is built from its config before it passed here.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from hf_cf.data.features import KINDS
from hf_cf.models import RANKING_MODELS, STORED_MODELS

Rule: TypeAlias = Callable[[Any, str], None]
"""Takes a value and where it stands; raises ValueError if the value is not what it should be."""


def check_config(config: dict[str, Any]) -> None:
    """Check a config against the schema of its format version.

    Raises
    ------
    ValueError
        A field is missing or unknown, or has another type or a value out of bounds. The message
        names the field.
    """
    _CONFIG(config, "")


def number(low: float, high: float) -> Rule:
    """A finite number within bounds."""

    def check(value: Any, where: str) -> None:
        # Only floats can be infinite, and math.isfinite takes no integer beyond them.
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or (isinstance(value, float) and not math.isfinite(value))
        ):
            raise ValueError(f"{where} is {shown(value)}; expected a number")
        if not low <= value <= high:
            raise ValueError(f"{where} is {shown(value)}; expected {low:g} to {high:g}")

    return check


def integer(low: int, high: int) -> Rule:
    """An integer within bounds."""

    def check(value: Any, where: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{where} is {shown(value)}; expected an integer from {low} to {high}")

    return check


def text(longest: int, least: int = 0) -> Rule:
    """Text that can be written as UTF-8, of bounded length."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or not least <= len(value) <= longest:
            raise ValueError(
                f"{where} is {shown(value)}; expected text of {least} to {longest} characters"
            )
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError(f"{where} is not text")

    return check


def flag(value: Any, where: str) -> None:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        raise ValueError(f"{where} is {shown(value)}; expected true or false")


def one_of(*values: str) -> Rule:
    """One of some words."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, str) or value not in values:
            raise ValueError(f"{where} is {shown(value)}; this hf_cf knows {', '.join(values)}")

    return check


def or_null(rule: Rule) -> Rule:
    """``null``, or what another rule accepts."""
    return lambda value, where: None if value is None else rule(value, where)


def each(rule: Rule, most: int, least: int = 0) -> Rule:
    """A list of values that another rule accepts."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise ValueError(f"{where} is {shown(value)}; expected a list of {least} to {most}")
        for position, item in enumerate(value):
            rule(item, f"{where}[{position}]")

    return check


def ascending(low: float, high: float, most: int = 2) -> Rule:
    """A list of at least two ascending numbers within bounds."""
    numbers = each(number(low, high), most, 2)

    def check(value: Any, where: str) -> None:
        numbers(value, where)
        if sorted(set(value)) != value:
            raise ValueError(f"{where} is {shown(value)}; expected ascending numbers")

    return check


def by_name(rule: Rule, most: int) -> Rule:
    """An object with any names, whose values another rule accepts."""

    def check(value: Any, where: str) -> None:
        _check_object(value, where, most)
        for name, item in value.items():
            rule(item, f"{where}.{name}")

    return check


def fields(
    required: Mapping[str, Rule],
    optional: Mapping[str, Rule] | None = None,
    *,
    open_ended: bool = False,
) -> Rule:
    """An object with these names, and others only where it is open-ended."""
    optional = optional or {}

    def check(value: Any, where: str) -> None:
        _check_object(value, where, 1000)
        for name in required:
            if name not in value:
                raise ValueError(f"{_under(where, name)} is missing")
        for name, item in value.items():
            rule = required.get(name) or optional.get(name)
            if rule is not None:
                rule(item, _under(where, name))
            elif not open_ended:
                raise ValueError(f"{_under(where, name)} is unknown")

    return check


def _check_object(value: Any, where: str, most: int) -> None:
    if not isinstance(value, dict) or len(value) > most:
        raise ValueError(
            f"{where or 'it'} is {shown(value)}; expected an object, at most {most} fields"
        )
    for name in value:
        text(100)(name, f"a name in {where or 'the whole'}")


def _under(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def shown(value: Any) -> str:
    """A value as a message tells it: on one line, at most 60 characters, whatever it is."""
    try:
        printed = ascii(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits
        printed = type(value).__name__
    return printed if len(printed) <= 60 else f"{printed[:57]}..."


_ROWS = integer(1, 2**31 - 1)
_WIDTH = integer(1, 2**16)


def _feature(value: Any, where: str) -> None:
    fields(
        {"column": text(1000), "kind": one_of(*KINDS), "values": lambda *_: None},
        {"average": each(number(-1e3, 1e3), 1000)},
    )(value, where)
    rules = {
        "number": ascending(-1e300, 1e300, 1000),
        "vector": each(number(-1e3, 1e3), 1000, 1),
    }
    rules.get(value["kind"], each(text(10_000), 1000))(value["values"], f"{where}.values")
    if len(value.get("average", [])) not in (0, len(value["values"])):
        raise ValueError(f"{where}.average has another length than values")


SETTINGS: Mapping[str, Rule] = {
    "n_users": _ROWS,
    "n_items": _ROWS,
    "n_factors": _WIDTH,
    "factors": _WIDTH,
    "n_hidden": _WIDTH,
    "user_size": _WIDTH,
    "item_size": _WIDTH,
    "layers": each(_WIDTH, 64),
    "levels": ascending(-1e6, 1e6, 10_001),
    "y_range": or_null(ascending(-1e6, 1e6)),
    "n_samples": integer(1, 100_000),
    "n_implicit_items": integer(0, 2**31 - 1),
    "n_implicit_users": integer(0, 2**31 - 1),
    "user_features": each(_feature, 1000),
    "item_features": each(_feature, 1000),
    "noise_freedom": number(0, 1e9),
    "windows": each(integer(16, 2**31 - 1), 16),
    "n_sittings": each(integer(0, 2**40), 16),
    "dropout": number(0, 1),
    "preference": each(number(-1e3, 1e3), 5, 5),
    "weight": each(number(0, 1e6), 5, 5),
    "unobserved": number(0, 1e6),
    "regularization": number(0, 1e9),
    "exponent": number(-10, 10),
    "effective_items": number(0, 1e12),
    "average_weight": number(0, 1e9),
    "few_ratings": number(0, 1e9),
    "typical_strength": or_null(number(1e-9, 1e12)),
    "strength_power": number(0, 10),
    "low": number(-1e6, 1e6),
    "high": number(-1e6, 1e6),
}
"""The arguments of every model by name; one name means the same in all of them."""

# Sizes that a model derives where they are not given are written out in a config.
_ALWAYS_WRITTEN = ("user_size", "item_size")


def model_spec(registry: Mapping[str, type]) -> Rule:
    """``{"model": name, "settings": arguments}`` of a model in a registry."""
    name_of = one_of(*registry)

    def check(value: Any, where: str) -> None:
        fields({"model": name_of, "settings": by_name(lambda *_: None, 100)})(value, where)
        arguments = inspect.signature(registry[value["model"]]).parameters
        required = {
            name: SETTINGS[name]
            for name, argument in arguments.items()
            if argument.default is argument.empty or name in _ALWAYS_WRITTEN
        }
        optional = {name: SETTINGS[name] for name in arguments if name not in required}
        fields(required, optional)(value["settings"], f"{where}.settings")

    return check


def _scale(value: Any, where: str) -> None:
    real = number(-1e6, 1e6)
    fields({"min": real, "max": real, "step": number(1e-6, 1e6)})(value, where)
    if not value["min"] < value["max"]:
        raise ValueError(f"{where} goes from {value['min']:g} to {value['max']:g}")
    if (value["max"] - value["min"]) / value["step"] > 10_000:
        raise ValueError(f"{where} has more than 10,000 levels")


def _scalar(value: Any, where: str) -> None:
    if not isinstance(value, str | int | float | bool | type(None)):
        raise ValueError(f"{where} is {shown(value)}; expected a number, text, true or false")
    if isinstance(value, str):
        text(10_000)(value, where)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number(-1e300, 1e300)(value, where)


def _scalar_or_list(value: Any, where: str) -> None:
    (each(_scalar, 1000) if isinstance(value, list) else _scalar)(value, where)


def _scalar_or_object(value: Any, where: str) -> None:
    (by_name(_scalar_or_list, 100) if isinstance(value, dict) else _scalar)(value, where)


_FIGURES = by_name(number(-1e300, 1e300), 1000)
_SHA256 = text(64, 64)

_measured = fields(
    {},
    {
        "protocol": by_name(_scalar_or_object, 100),
        "measurements": each(by_name(_scalar, 100), 10_000),
    },
)

_CONFIG = fields(
    required={
        "format_version": integer(1, 10**6),
        "checksum": _SHA256,
        "files": by_name(fields({"size": integer(1, 2**50), "sha256": _SHA256}), 10),
        "rating": model_spec(STORED_MODELS),
        "scale": _scale,
        "source": fields(
            {"name": text(500)},
            {
                "licence": text(10_000),
                "citation": text(10_000),
                "url": text(2_000),
                "redistributable": flag,
                "synthetic": flag,
                "noun": text(50),
                "verb": text(50),
            },
            open_ended=True,
        ),
        "training": fields(
            {},
            {
                "settings": by_name(_scalar_or_list, 1000),
                "metrics": _FIGURES,
                "epochs": each(_FIGURES, 100_000),
                "versions": by_name(text(100), 100),
                "evaluation": _measured,
                "cold_start": _measured,
                "hardware": text(500),
            },
            open_ended=True,
        ),
    },
    optional={
        "ranking": or_null(model_spec(RANKING_MODELS)),
        "prior": fields({"noise": number(1e-12, 1e12)}),
        "profiles": fields({"features": each(_feature, 1000, 1)}),
        "index": fields({"n_lists": integer(1, 2**24), "margin": number(0, 10)}),
        "text": fields(
            {
                "columns": each(text(1000), 100, 1),
                "model": text(2000, 1),
                "size": _WIDTH,
                "axes": integer(0, 1000),
            }
        ),
    },
)
