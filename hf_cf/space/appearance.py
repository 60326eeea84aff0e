"""How the Space's pages look, for ``launch``."""

from __future__ import annotations

from typing import Any

import gradio as gr

from hf_cf.space import components


def appearance() -> dict[str, Any]:
    """Give what ``launch`` takes about how the pages look."""
    theme = gr.themes.Base(
        font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return {
        "theme": theme,
        "css": components.stylesheet(),
        "head": components.script(),
        "footer_links": ["api", "gradio"],
        # The pages are built in the browser: a server's rendering of them would be empty.
        "ssr_mode": False,
    }
