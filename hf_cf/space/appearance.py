"""How gradio's part of the page looks, for ``mount_gradio_app``."""

from __future__ import annotations

from typing import Any

import gradio as gr


def appearance() -> dict[str, Any]:
    """Give what ``mount_gradio_app`` takes about how its part of the page looks."""
    theme = gr.themes.Base(
        font=[gr.themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return {
        "theme": theme,
        "footer_links": ["api", "gradio"],
        # Nothing needs to be rendered on the server.
        "ssr_mode": False,
    }
