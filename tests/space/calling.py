"""Calls of a Space's endpoints through plain HTTP, as a program without gradio makes them."""

from __future__ import annotations

import json
from typing import Any

import httpx

RATINGS = {"Alien (1979)": 5, "Blade Runner (1982)": 4, "Notting Hill (1999)": 2}

GOOD: dict[str, dict[str, Any]] = {
    "recommend": {"ratings": RATINGS},
    "recommend_for_user": {"user": 7},
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
