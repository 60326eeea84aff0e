"""What the Space's pages are made of: JavaScript and CSS files beside this one, and their host.

Each page is a ``gr.HTML`` whose template is empty and never changes; the script of the page fills
it in as elements and text nodes. Values do not go through ``html_template``: gradio evaluates what
Handlebars escaped as a JavaScript template string, so that ``${...}`` in a film's title would run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any

import gradio as gr

_FOLDERS = ("components", "pages")


def script() -> str:
    """All scripts of the components and pages, as one element for the page's head."""
    head, foot = (
        "window.hfcf ??= (() => {\nconst pages = {};",
        "return { ...pages, visitor };\n})();",
    )
    return f"<script>\n{head}\n{_texts('.js')}\n{foot}\n</script>"


def stylesheet() -> str:
    """All styles of the components and pages."""
    return _texts(".css")


def page(
    name: str, value: Any = None, server_functions: Sequence[Callable[..., Any]] = ()
) -> gr.HTML:
    """Make a page, or a part of one, that the script of that name fills in.

    Parameters
    ----------
    name : str
        Of a function in ``pages``: ``film_map`` is defined in ``pages/film_map.js``.
    value : JSON
        What the script finds as ``props.value``.
    server_functions : sequence of functions
        What the script may call in Python.
    """
    return gr.HTML(
        value,
        html_template="",
        js_on_load=f"hfcf.{name}(element, {{ props, server, watch }});",
        apply_default_css=False,
        elem_id=name.replace("_", "-"),
        elem_classes=["hfcf"],
        server_functions=list(server_functions),
    )


def _texts(suffix: str) -> str:
    texts = []
    for folder in _FOLDERS:
        files = resources.files("hf_cf.space").joinpath(folder).iterdir()
        own = [file for file in files if file.name.endswith(suffix)]
        texts += [file.read_text("utf-8") for file in sorted(own, key=lambda file: file.name)]
    return "\n".join(texts)
