"""The pages of the Space."""

from __future__ import annotations

import gradio as gr

from hf_cf.space.endpoints import add_endpoints
from hf_cf.space.service import Service


def build(service: Service | Exception) -> gr.Blocks:
    """Build the app of a model, or the page that says why there is none."""
    with gr.Blocks(title="Films to watch") as demo:
        if isinstance(service, Exception):
            gr.Textbox(str(service), label="The model could not be loaded", interactive=False)
        else:
            add_endpoints(service)
            gr.Textbox(repr(service.rec), label="Model", interactive=False)
    return demo
