"""The pages of the Space."""

from __future__ import annotations

try:
    import gradio as gr
    import mcp  # noqa: F401
except ImportError as error:
    raise ImportError(
        "the Space needs gradio with MCP, which come with: pip install 'hf-cf[space]'"
    ) from error

from hf_cf.space import components
from hf_cf.space.endpoints import add_endpoints
from hf_cf.space.page_functions import PageFunctions
from hf_cf.space.service import Service

TABS = {
    "discover": "Rate & discover",
    "known_users": "Known users",
    "similar_films": "Similar films",
    "film_map": "Map of films",
    "behind": "Behind the model",
}
"""What each tab is called, by the name of its script in ``pages``."""


def build(service: Service | Exception) -> gr.Blocks:
    """Build the app of a model, or the page that says why there is none."""
    with gr.Blocks(title="What to watch next", fill_width=True) as demo:
        if isinstance(service, Exception):
            components.page("failure", str(service))
        else:
            add_endpoints(service)
            _add_pages(demo, service)
    return demo


def _add_pages(demo: gr.Blocks, service: Service) -> None:
    # The key that gradio encrypts with is part of the page, so it keeps nothing secret; it must
    # only stay the same, or a restart of the Space would lose everybody's list.
    kept = gr.BrowserState(
        {"list": {}}, storage_key=f"hf_cf.ratings.{service.rec.source.name}", secret="hf_cf"
    )
    masthead = components.page("masthead", server_functions=PageFunctions(service).all())
    with gr.Tabs(overflow_behavior="wrap"):
        for name, title in TABS.items():
            with gr.Tab(title, id=name):
                components.page(name)
    # Both run in the browser: the list does not pass through the server.
    demo.load(None, kept, masthead, js="(kept) => kept", api_visibility="private")
    masthead.change(None, masthead, kept, js="(list) => list", api_visibility="private")
