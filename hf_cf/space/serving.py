"""Starting the Space's server: how much it takes at a time, and that it keeps nothing."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from hf_cf.space.appearance import appearance
from hf_cf.space.calls import MOST_AT_ONCE
from hf_cf.space.endpoints import endpoints_of
from hf_cf.space.gate import Gate

THREADS = max(4, 2 * (os.cpu_count() or 1))
AT_A_TIME = 1
"""Calls of endpoints that compute in threads at a time.

Each is some hundred small operations of torch, which hands Python's lock on at every one of them:
four side by side take three times as long as one after another.
"""


def serve(demo: gr.Blocks, **arguments: Any) -> tuple[Any, str, str]:
    """Launch an app that `build` made, as ``launch`` does, with bounds on what may be asked of it.

    Calls that take long compute in threads, `AT_A_TIME` of them, with one thread of torch each;
    those beyond wait, and beyond `MOST_AT_ONCE` are refused. Nothing that somebody sends is
    recorded.

    Parameters
    ----------
    demo : gr.Blocks
        With the endpoints of `hf_cf.space.endpoints`, or with none.
    arguments
        For ``launch``, in place of its own defaults or those here.
    """
    import torch

    torch.set_num_threads(1)
    _remember_configs(demo)
    is_open = not (arguments.get("auth") or arguments.get("auth_dependency"))
    found = endpoints_of(demo)
    gate = Middleware(
        Gate,
        endpoints={name: each.fn for name, each in found.items() if each.fn},
        numbers={name: each._id for name, each in found.items()},
        threads=AT_A_TIME if is_open else 0,
    )
    # Gradio would sum up its last 10,000 calls after each one, for a page that is switched off.
    os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")
    demo.queue(max_size=MOST_AT_ONCE, default_concurrency_limit=AT_A_TIME, api_open=True)
    settings: dict[str, Any] = {
        "mcp_server": True,
        "max_threads": THREADS,
        "max_file_size": "2mb",
        "run_history": False,
        # Gradio would load its own page, and end where that takes a busy machine three seconds.
        "_frontend": False,
        "app_kwargs": {"middleware": [gate]},
        **appearance(),
    }
    waits = not arguments.pop("prevent_thread_lock", False)
    started = demo.launch(**settings | arguments, prevent_thread_lock=True)
    if demo.mcp_server_obj is not None:
        demo.mcp_server_obj.postprocess_output_data = _as_json  # type: ignore[method-assign]
    if waits:
        demo.block_thread()
    return started


def _remember_configs(demo: gr.Blocks) -> None:
    """Describe each component once; gradio would do so anew for every call without a session."""
    for block in demo.blocks.values():
        config = block.get_config()
        block.get_config = partial(dict, config)  # type: ignore[method-assign]


def _as_json(data: list[Any], root_url: str) -> list[Any]:
    """What a tool answers, as JSON; gradio would write Python, and looks for files first."""
    from mcp.types import TextContent

    return [TextContent(type="text", text=json.dumps(value)) for value in data]
