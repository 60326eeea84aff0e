"""The Space as a Gradio app: its endpoints, for gradio's own clients and its page about the API."""

from __future__ import annotations

from typing import Any

try:
    import gradio as gr
    import mcp  # noqa: F401
    from gradio.events import api
except ImportError as error:
    raise ImportError(
        "the Space needs gradio with MCP, which come with: pip install 'hf-cf[space]'"
    ) from error

from hf_cf.space.calls import Calls
from hf_cf.space.endpoints import Endpoint, named
from hf_cf.space.errors import Problem


def build(calls: Calls, title: str) -> gr.Blocks:
    """Build the app of what may be called; what people see of it is in `hf_cf.space.front_page`."""
    with gr.Blocks(title=title, fill_width=True) as demo:
        for endpoint in calls.endpoints.values():
            if endpoint.public:
                _add(demo, calls, endpoint)
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
    # `calls` limits how many run at once, so gradio need not.
    api(answer, api_name=endpoint.name, concurrency_limit=None, queue=False)
    # What gradio's page about the API shows of a parameter, in place of "the 1st Api component".
    for function in demo.fns.values():
        if function.api_name == endpoint.name:
            for name, component in zip(endpoint.signature.parameters, function.inputs, strict=True):
                assert isinstance(component, gr.components.Component)
                component.label = name
