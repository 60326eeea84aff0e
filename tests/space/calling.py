"""Serving a Space, and calling it through plain HTTP as a program without gradio does."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from hf_cf.space.service import Service
from hf_cf.space.serving import server, space

RATINGS = {"Alien (1979)": 5, "Blade Runner (1982)": 4, "Notting Hill (1999)": 2}

GOOD: dict[str, dict[str, Any]] = {
    "recommend": {"ratings": RATINGS},
    "recommend_for_user": {"user": 7},
    "recommend_together": {"group": [RATINGS, {"Heat (1995)": 5}]},
    "predict": {"items": ["Heat (1995)"], "ratings": RATINGS},
    "similar": {"item": "Heat (1995)"},
    "search": {"text": "godfater"},
    "next_questions": {"ratings": RATINGS},
    "explain": {"item": "Heat (1995)", "ratings": RATINGS},
    "model_info": {},
}
"""A call of each endpoint, by name."""


def call(client: httpx.Client, name: str, body: Any) -> tuple[str, Any]:
    """Call an endpoint by named values, in two steps: the event, and the data or the error."""
    started = client.post(f"gradio_api/call/v2/{name}", json=body)
    assert started.status_code == 200, started.text
    events = client.get(f"gradio_api/call/{name}/{started.json()['event_id']}").text
    event, data = events.strip().split("\n")[-2:]
    return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@contextmanager
def served(service: Service | str, port: int | None = None) -> Iterator[str]:
    """Serve a Space for a while, at an address such as ``http://127.0.0.1:7860/``."""
    port = port or free_port()
    running = server(space(service), port=port)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    try:
        while not running.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}/"
    finally:
        running.config.timeout_graceful_shutdown = 1  # a page that is still open
        running.should_exit = True
        thread.join(30)


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
