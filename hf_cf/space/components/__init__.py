"""What the Space's pages are made of: JavaScript and CSS files next to this one and in ``pages``.

The scripts build elements and text nodes; nothing that a catalogue or a visitor brings becomes
markup.
"""

from __future__ import annotations

import re
from importlib import resources

_FOLDERS = ("components", "pages")

_UNSAID = re.compile(r"^[ \t]*(?://[^\n]*\n|/\*.*?\*/[ \t]*\n|\n)?[ \t]*", re.M | re.S)
"""Comments that have lines of their own, and the spaces in front of a line."""


def script() -> str:
    """All scripts as one, which defines ``hfcf.start``."""
    head = "window.hfcf ??= (() => {\nconst pages = {};"
    return f"{head}\n{_texts('.js')}\nreturn {{ ...pages, visitor, address }};\n}})();"


def stylesheet() -> str:
    """All styles."""
    return _texts(".css")


def _texts(suffix: str) -> str:
    """Files as one, without what only their readers need; no text in them goes over lines."""
    texts = []
    for folder in _FOLDERS:
        files = resources.files("hf_cf.space").joinpath(folder).iterdir()
        own = [file for file in files if file.name.endswith(suffix)]
        texts += [file.read_text("utf-8") for file in sorted(own, key=lambda file: file.name)]
    return _UNSAID.sub("", "\n".join(texts))
