"""The Space as a Gradio app: its pages, and its endpoints for gradio's own clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    import gradio as gr
    import mcp  # noqa: F401
    from gradio.events import api
except ImportError as error:
    raise ImportError(
        "the Space needs gradio with MCP, which come with: pip install 'hf-cf[space]'"
    ) from error

from hf_cf.space import components
from hf_cf.space.calls import Calls
from hf_cf.space.endpoints import Endpoint, named
from hf_cf.space.errors import Problem

TABS = {
    "discover": "Rate & discover",
    "known_users": "Known users",
    "similar_films": "Similar films",
    "film_map": "Map of films",
    "behind": "Behind the model",
}
"""What each tab is called, by the name of its script in ``pages``."""


def build(calls: Calls, storage_key: str, failure: str | None = None) -> gr.Blocks:
    """Build the app, or the page that says why there is no model.

    Parameters
    ----------
    calls : Calls
        Answers.
    storage_key : str
        Under which a visitor's browser keeps their list.
    failure : str, optional
        Why there is no model.
    """
    with gr.Blocks(title="What to watch next", fill_width=True) as demo:
        if failure is not None:
            components.page("failure", failure)
        else:
            for endpoint in calls.endpoints.values():
                if endpoint.public:
                    _add(demo, calls, endpoint)
            _add_pages(demo, calls, storage_key)
    return demo


def _add(demo: gr.Blocks, calls: Calls, endpoint: Endpoint) -> None:
    """Add a named endpoint, described as gradio reads it."""

    def answer(*values: Any) -> Any:
        try:
            return calls.answer(endpoint.name, named(endpoint, values))
        except Exception as error:
            problem = Problem.of(error, f"the endpoint {endpoint.name}")
            raise gr.Error(problem.message, title=problem.title, print_exception=False) from None

    answer.__name__ = endpoint.name
    answer.__doc__ = endpoint.description.as_gradio_reads()
    answer.__signature__ = endpoint.signature  # type: ignore[attr-defined]
    answer.__annotations__ = {
        **{name: each.annotation for name, each in endpoint.signature.parameters.items()},
        "return": endpoint.signature.return_annotation,
    }
    # The limiter is in `calls`: gradio may begin as many as it takes.
    api(answer, api_name=endpoint.name, concurrency_limit=None, queue=False)
    # What gradio's page about the API shows of a parameter, in place of "the 1st Api component".
    for function in demo.fns.values():
        if function.api_name == endpoint.name:
            for name, component in zip(endpoint.signature.parameters, function.inputs, strict=True):
                assert isinstance(component, gr.components.Component)
                component.label = name


def _add_pages(demo: gr.Blocks, calls: Calls, storage_key: str) -> None:
    # The key that gradio encrypts with is part of the page, so it keeps nothing secret; it must
    # only stay the same, or a restart of the Space would lose everybody's list.
    kept = gr.BrowserState({"list": {}}, storage_key=storage_key, secret="hf_cf")
    masthead = components.page("masthead", server_functions=page_functions(calls))
    with gr.Tabs(overflow_behavior="wrap"):
        for name, title in TABS.items():
            with gr.Tab(title, id=name):
                components.page(name)
    # Both run in the browser: the list does not pass through the server.
    demo.load(None, kept, masthead, js="(kept) => kept", api_visibility="private")
    masthead.change(None, masthead, kept, js="(list) => list", api_visibility="private")


def page_functions(calls: Calls) -> list[Callable[[Any], dict[str, Any]]]:
    """What the pages may call, named as they call it."""
    return [_page_function(calls, each) for each in calls.endpoints.values()]


def _page_function(calls: Calls, endpoint: Endpoint) -> Callable[[Any], dict[str, Any]]:
    """What the pages call: one JSON object in, ``{"answer": ...}`` or ``{"error": words}`` out."""
    defaults = {"explain": True} if endpoint.defaults else {}

    def answer(values: Any = None) -> dict[str, Any]:
        if not isinstance(values, dict):
            return {"error": "The page sent something that is no request."}
        try:
            return {"answer": calls.answer(endpoint.name, {**defaults, **values})}
        except Exception as error:
            return {"error": Problem.of(error, f"the page's call of {endpoint.name}").message}

    answer.__name__ = endpoint.name
    return answer
