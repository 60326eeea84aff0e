"""Starting the Space's server: how much it takes at a time, and that it keeps nothing."""

from __future__ import annotations

import json
import os
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from hf_cf.space.appearance import appearance
from hf_cf.space.endpoints import signatures
from hf_cf.space.gate import MOST_AT_ONCE, Gate

THREADS = max(4, 2 * (os.cpu_count() or 1))


def serve(demo: gr.Blocks, **arguments: Any) -> tuple[Any, str, str]:
    """Launch an app that `build` made, as ``launch`` does, with bounds on what may be asked of it.

    Calls compute in `THREADS` threads, with one thread of torch each; those beyond wait, and
    beyond `MOST_AT_ONCE` are refused. Nothing that somebody sends is recorded.

    Parameters
    ----------
    demo : gr.Blocks
        With the endpoints of `hf_cf.space.endpoints`, or with none.
    arguments
        For ``launch``, in place of its own defaults or those here.
    """
    import torch

    torch.set_num_threads(1)
    served = {function.api_name for function in demo.fns.values()}
    endpoints = {name: takes for name, takes in signatures().items() if name in served}
    # Gradio would sum up its last 10,000 calls after each one, for a page that is switched off.
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
    demo.queue(max_size=MOST_AT_ONCE, default_concurrency_limit=THREADS, api_open=True)
    settings: dict[str, Any] = {
        "mcp_server": True,
        "max_threads": THREADS,
        "max_file_size": "2mb",
        "run_history": False,
        # Gradio would load its own page, and end where that takes a busy machine three seconds.
        "_frontend": False,
        "app_kwargs": {"middleware": [Middleware(Gate, endpoints=endpoints)]},
        **appearance(),
    }
    waits = not arguments.pop("prevent_thread_lock", False)
    started = demo.launch(**settings | arguments, prevent_thread_lock=True)
    if demo.mcp_server_obj is not None:
        demo.mcp_server_obj.postprocess_output_data = _as_json  # type: ignore[method-assign]
    if waits:
        demo.block_thread()
    return started


def _as_json(data: list[Any], root_url: str) -> list[Any]:
    """What a tool answers, as JSON; gradio would write Python, and looks for files first."""
    from mcp.types import TextContent

    return [TextContent(type="text", text=json.dumps(value)) for value in data]
