"""The Space's endpoints for programs, over HTTP, ``gradio_client`` and MCP."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import wraps
from inspect import Signature, getdoc, signature
from typing import Any, get_type_hints

import gradio as gr
from gradio.events import api

from hf_cf.space.errors import problem
from hf_cf.space.service import Service

ENDPOINTS = (
    Service.recommend,
    Service.recommend_for_user,
    Service.predict,
    Service.similar,
    Service.search,
    Service.next_questions,
    Service.explain,
    Service.model_info,
)

_log = logging.getLogger(__name__)


def add_endpoints(service: Service) -> None:
    """Add the named endpoints to the ``gr.Blocks`` whose context is open.

    Names, types and descriptions are those of the methods of `Service`.
    """
    for method in ENDPOINTS:
        api(
            _endpoint(getattr(service, method.__name__)),
            api_name=method.__name__,
            concurrency_id="endpoints",
            # Answered at once where gradio lets a call choose: a place in the queue costs more
            # than the answer.
            queue=False,
        )


def signatures() -> dict[str, Signature]:
    """What each endpoint takes, by name."""
    found = {}
    for method in ENDPOINTS:
        _, *parameters = signature(method).parameters.values()
        found[method.__name__] = Signature(parameters)
    return found


def _endpoint(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method with its errors as gradio's, and described as gradio reads it."""

    @wraps(method)
    def answer(*values: Any) -> Any:
        try:
            return method(*values)
        except Exception as error:
            status, message = problem(error)
            if status >= 500:
                _log.exception("%s failed", method.__name__)
            title = f"{status} {status.phrase}"
            raise gr.Error(message, title=title, print_exception=False) from None

    answer.__doc__ = _as_gradio_reads(getdoc(method) or "")
    answer.__annotations__ = get_type_hints(method)
    return answer


def _as_gradio_reads(doc: str) -> str:
    """A numpydoc docstring as gradio takes it apart: a line a parameter, under "Args:"."""
    said, *sections = re.split(r"\n\n(?=\w+\n-+\n)", doc)
    parts = {section.split("\n")[0]: section.split("\n", 2)[2] for section in sections}
    lines = [said]
    for title, heading in (("Parameters", "Args:"), ("Returns", "Returns:")):
        entries = re.findall(r"^(\S+).*\n((?:    .*\n?)+)", parts.get(title, ""), re.MULTILINE)
        lines += ["", heading] if entries else []
        for name, text in entries:
            words = " ".join(text.split())
            lines.append(f"{name}: {words}" if title == "Parameters" else words)
    return "\n".join(lines)
