"""The Space's endpoints for programs, over HTTP, ``gradio_client`` and MCP."""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import Signature, getdoc, signature
from typing import Any, get_type_hints

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.events import api

from hf_cf.space.errors import problem_of
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

WITHOUT_REASONS = {"explain": False}
"""Defaults that differ from the service's: reasons cost more than all else in an answer."""


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


def endpoints_of(demo: gr.Blocks) -> dict[str, BlockFunction]:
    """The endpoints of an app by name."""
    names = signatures()
    return {str(each.api_name): each for each in demo.fns.values() if each.api_name in names}


def signatures() -> dict[str, Signature]:
    """What each endpoint takes, by name."""
    return {method.__name__: _signature(method) for method in ENDPOINTS}


def _signature(method: Callable[..., Any]) -> Signature:
    whole = signature(method, eval_str=True)
    parameters = [
        parameter.replace(default=WITHOUT_REASONS.get(name, parameter.default))
        for name, parameter in whole.parameters.items()
        if name != "self"
    ]
    return whole.replace(parameters=parameters)


def _endpoint(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method with its errors as gradio's, and described as gradio reads it."""

    def answer(*values: Any) -> Any:
        try:
            return method(*values)
        except Exception as error:
            status, message = problem_of(method.__name__, error)
            title = f"{status} {status.phrase}"
            raise gr.Error(message, title=title, print_exception=False) from None

    answer.__name__ = method.__name__
    answer.__doc__ = _as_gradio_reads(getdoc(method) or "")
    answer.__annotations__ = get_type_hints(method)
    answer.__signature__ = _signature(method)  # type: ignore[attr-defined]
    answer.__wrapped__ = method  # type: ignore[attr-defined]
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
