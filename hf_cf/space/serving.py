"""The Space's server: plain routes, MCP, and the Gradio app, behind one set of limits.

Gradio is mounted on a FastAPI app of our own rather than launched: then the plain routes, their
OpenAPI page and the limits stand next to it as FastAPI has them, and gradio stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib import resources
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import orjson
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.routing import Route

import hf_cf
from hf_cf.data.scale import LIKES
from hf_cf.data.words import ItemWords
from hf_cf.space.app import build
from hf_cf.space.appearance import appearance
from hf_cf.space.calls import MOST_AT_ONCE, Calls
from hf_cf.space.endpoints import Endpoint, endpoints_of
from hf_cf.space.errors import Problem
from hf_cf.space.front_page import PREVIEW, FrontPage
from hf_cf.space.limits import Limits, json_object
from hf_cf.space.mcp_server import mcp_sessions
from hf_cf.space.service import Service

LAST_SECONDS = 5
"""How long requests in flight may take after the server was told to stop."""

_MCP = "/gradio_api/mcp"


def space(service: Service | str) -> FastAPI:
    """Make the app of a model; or, of words, the page that says why there is none.

    ``POST /api/NAME`` answers each endpoint, with OpenAPI at ``/docs``; MCP is at
    ``/gradio_api/mcp``; everything else is gradio's. Nothing that somebody sends is recorded.
    """
    calls = Calls({} if isinstance(service, str) else endpoints_of(service))
    sessions = mcp_sessions(calls)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # Earlier versions of gradio know the endpoints of call/v2 once somebody asked for them.
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://space") as client:
            await client.get("/gradio_api/info")
        async with sessions.run():
            yield

    app = FastAPI(
        title="hf_cf", version=hf_cf.__version__, lifespan=lifespan, redoc_url=None,
        description="Recommendations of a model, for programs. Nothing that is sent is kept.",
    )  # fmt: skip
    for endpoint in calls.endpoints.values():
        _add_route(app, calls, endpoint)
    _add_refusal(app, calls)
    for path in (_MCP, f"{_MCP}/"):
        app.router.routes.append(Route(path, _Asgi(sessions.handle_request)))
    app.add_api_route(f"/{PREVIEW}", _preview, include_in_schema=False)
    words = ItemWords.of() if isinstance(service, str) else service.words
    title = f"What to {words.verb} next"
    demo = build(calls, title)
    demo.queue(max_size=MOST_AT_ONCE, default_concurrency_limit=None)
    # Each call is a session of its own to gradio, which copies the page into it; none has a state.
    demo.state_session_capacity = 2 * MOST_AT_ONCE
    app = gr.mount_gradio_app(
        app, demo, path="/", mcp_server=False, show_error=False, run_history=False,
        root_path=os.environ.get("GRADIO_ROOT_PATH"),
        app_kwargs={"exception_handlers": {Exception: _no_call}}, **appearance(),
    )  # fmt: skip
    lengths = {each.name: len(each.signature.parameters) for each in calls.endpoints.values()}
    of_model: dict[str, Any] = {"name": "", "failure": service}
    if not isinstance(service, str):
        source, likes = service.rec.source, service.rec.scale == LIKES
        of_model = {"name": source.name, "synthetic": source.synthetic, "likes": likes,
                    "facts": _facts(service)}  # fmt: skip
    app.add_middleware(
        FrontPage, title=title, description=_summary(service), words=words, **of_model
    )
    app.add_middleware(Limits, lengths=lengths)
    return app


def serve(app: FastAPI, host: str | None = None, port: int | None = None) -> None:
    """Serve until told to stop; requests in flight are answered first.

    Parameters
    ----------
    app : FastAPI
        Of `space`.
    host : str, optional
        Address to listen on; ``GRADIO_SERVER_NAME``, or this machine alone, where not given.
    port : int, optional
        ``GRADIO_SERVER_PORT``, or 7860, where not given.
    """
    server(app, host, port).run()


def server(app: FastAPI, host: str | None = None, port: int | None = None) -> uvicorn.Server:
    """The server that `serve` runs."""
    on_the_hub = "0.0.0.0" if "SPACE_ID" in os.environ else "127.0.0.1"
    host = host or os.environ.get("GRADIO_SERVER_NAME") or on_the_hub
    port = port or int(os.environ.get("GRADIO_SERVER_PORT") or 7860)
    print(f"The Space is at http://{host}:{port}/", flush=True)
    return uvicorn.Server(
        uvicorn.Config(
            app, host, port, log_level="warning", access_log=False,
            proxy_headers=True, forwarded_allow_ips="*", timeout_graceful_shutdown=LAST_SECONDS,
        )
    )  # fmt: skip


def _summary(service: Service | str) -> str:
    if isinstance(service, str):
        return "No model is loaded."
    n = len(service.rec.items) - 1
    words = service.words
    rate = "Like" if service.rec.scale == LIKES else "Rate"
    return (
        f"{rate} a few {words.plural} that you know, and see what to {words.verb} next, of {n:,}."
    )


def _facts(service: Service) -> str:
    """Of what the model was made, for the head of the page."""
    rec = service.rec
    n_items, n_people = len(rec.items) - 1, len(rec.users) - 1
    n_ratings = int(rec.catalogue["n_ratings"].sum())
    rating = "like" if rec.scale == LIKES else "rating"
    return (
        f"{n_items:,} {service.words.plural}, learned from {n_ratings:,} {rating}"
        f"{'' if n_ratings == 1 else 's'} by {n_people:,} {'person' if n_people == 1 else 'people'}"
    )


def _preview() -> FileResponse:
    path = Path(str(resources.files("hf_cf.space").joinpath(PREVIEW)))
    return FileResponse(path, headers={"cache-control": "max-age=86400"})


def _add_route(app: FastAPI, calls: Calls, endpoint: Endpoint) -> None:
    """``POST /api/NAME``: an object of named values in, the answer as JSON out."""
    where = f"/api/{endpoint.name}"

    async def answer(request: Request) -> Response:
        return await _answer(calls, endpoint.name, request)

    app.add_api_route(
        where, answer, methods=["POST"], include_in_schema=endpoint.public,
        operation_id=endpoint.name, summary=endpoint.name,
        description=endpoint.description.text, response_class=Response,
        openapi_extra={"requestBody": _json_schema(endpoint.request_schema())},
        responses={
            200: {
                "description": endpoint.description.returns,
                **_json_schema(endpoint.answer_schema()),
            },
            **dict.fromkeys((400, 404, 503), _ERROR),
        },
    )  # fmt: skip


def _add_refusal(app: FastAPI, calls: Calls) -> None:
    """Say of any other name that it is none."""

    async def answer(name: str, request: Request) -> Response:
        return await _answer(calls, name, request)

    app.add_api_route("/api/{name}", answer, methods=["POST"], include_in_schema=False)


async def _answer(calls: Calls, name: str, request: Request) -> Response:
    try:
        content = await calls.answer_soon(name, json_object(await request.body()))
        status, headers = HTTPStatus.OK, {}
    except Exception as error:
        problem = Problem.of(error, f"/api/{name}")
        content, status, headers = problem.body, problem.status, problem.headers
    headers = {"access-control-allow-origin": "*", **headers}
    return Response(orjson.dumps(content), status, headers, "application/json")


_ERROR: dict[str, Any] = {
    "description": "What is wrong, in words.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {"error": {"type": "string"}, "title": {"type": "string"}},
            }
        }
    },
}


def _json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


async def _no_call(request: Request, error: Exception) -> JSONResponse:
    """Answer what gradio could not read; what fails in an endpoint never comes here."""
    problem = Problem(
        HTTPStatus.BAD_REQUEST, "this is no call of an endpoint; /docs says what there is to call"
    )
    return JSONResponse(problem.body, problem.status)


class _Asgi:
    """An ASGI callable as the endpoint of a route."""

    def __init__(self, handle: Callable[..., Awaitable[None]]) -> None:
        self._handle = handle

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._handle(scope, receive, send)
