"""Where the card's template and the Space's files are: in the package, or in a checkout's root."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def card_template() -> Path:
    """Return the path of ``model_card.md``."""
    return _built_in("model_card.md", "model_card.md")


def space_template() -> Path:
    """Return the folder of the Space's own files, ``space/`` in a checkout."""
    return _built_in("space_template", "space")


def _built_in(built: str, in_checkout: str) -> Path:
    inside = _PACKAGE / built
    return inside if inside.exists() else _PACKAGE.parent / in_checkout
