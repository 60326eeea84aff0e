"""What stands before gradio: calls that it cannot answer well get a clear answer here."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from inspect import Parameter, signature
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hf_cf.space.calls import MOST_AT_ONCE, Calls, Endpoint
from hf_cf.space.errors import BUSY, InvalidInput, quoted, refusal

MOST_BYTES = 256 * 1024  # 2,000 ratings by title are half of it
MOST_BYTES_OF_A_PAGE = 4 * 1024 * 1024  # a list that a visitor imports
DEEPEST = 8
NO_EVENT = "there is no such event on this page"

_CALL = re.compile(r"/gradio_api/(?P<how>call/v2|call|run|api)/(?P<name>[^/]*)/?$")
_EVENT = re.compile(r"/gradio_api/(queue/join|(call/v2|call|run|api)/[^/]*)/?$")
_ANSWER = re.compile(r"/gradio_api/call/(v2/)?[^/]*/(?P<event>[0-9a-f]+)/?$")
_PAGE = re.compile(r"/gradio_api/component_server/?$")
_FILES = re.compile(r"/gradio_api/upload/?$")  # gradio bounds their size itself

_log = logging.getLogger(__name__)


class Gate:
    """Bounds what comes in, fills in defaults, and gives errors their HTTP status.

    A call of an endpoint is checked for its shape: a JSON body of bounded size and depth, values
    that are parameters of the endpoint and none missing. What a call leaves out is filled in, so
    that ``{"data": [ratings]}`` is enough. When too many calls are in progress, the next is told
    to come back instead of waiting.

    Calls over plain HTTP are answered by `Calls`; those of gradio's own client, of its page and
    of MCP go on to gradio.

    Parameters
    ----------
    app : ASGIApp
        Gradio's.
    endpoints : mapping of str to callable
        Those that a call may name; none where there is no model.
    numbers : mapping of str to int
        What gradio's clients may call them by instead.
    threads : int
        Calls over plain HTTP that compute at a time; 0 leaves them to gradio, which then also
        asks who is calling.
    """

    def __init__(
        self,
        app: ASGIApp,
        endpoints: Mapping[str, Endpoint],
        numbers: Mapping[str, int],
        threads: int,
    ) -> None:
        self.app, self.endpoints = app, endpoints
        self._by_number = {number: name for name, number in numbers.items()}
        self._calls = Calls(endpoints, threads) if threads else None
        self._parameters = {
            name: dict(signature(endpoint).parameters) for name, endpoint in endpoints.items()
        }
        self._in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on to gradio."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            if scope["method"] == "POST" and not _FILES.search(scope["path"]):
                await self._post(scope, receive, answer)
            elif events := self._events(scope["path"]):
                await answer.stream(events, receive)
            else:
                await self.app(scope, receive, answer.send)
        except InvalidInput as error:
            await answer.refuse(error)
        except Exception as error:
            await answer.refuse(_whose_fault(error, scope))

    async def _post(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        if self._in_progress >= MOST_AT_ONCE:
            raise InvalidInput(BUSY, HTTPStatus.SERVICE_UNAVAILABLE)
        self._in_progress += 1
        try:
            most = MOST_BYTES_OF_A_PAGE if _PAGE.search(scope["path"]) else MOST_BYTES
            body = await _read(receive, most)
            if called := _CALL.search(scope["path"]):
                how, call = called["how"], _json(body)
                name = self._name(called["name"], None if how == "call/v2" else call)
                values = self._values(how, name, call)
                if self._calls is not None:
                    if how in ("run", "api"):
                        await answer.give(await self._calls.answer(name, values))
                    else:
                        await answer.give({"event_id": self._calls.begin(name, values)})
                    return
                if how != "call/v2":
                    body = json.dumps({**call, "data": values}).encode()
                scope = _as_json(scope, body)
            await self.app(scope, _Replay(body, receive), answer.send)
        finally:
            self._in_progress -= 1

    def _events(self, path: str) -> AsyncIterator[bytes] | None:
        """The stream that a path asks for, if it is one of `Calls`."""
        asked = _ANSWER.search(path)
        if asked is None or self._calls is None or not self._calls.knows(asked["event"]):
            return None
        return self._calls.stream(asked["event"])

    def _name(self, name: str, call: dict[str, Any] | None) -> str:
        """The endpoint that a call is for: gradio's clients may call it by number."""
        number = None if call is None else call.get("fn_index")
        if number is None or not self.endpoints:
            return name
        if type(number) is not int or number not in self._by_number:
            raise InvalidInput(NO_EVENT)
        return self._by_number[number]

    def _values(self, how: str, name: str, call: dict[str, Any]) -> list[Any]:
        """The values of a call in order, with defaults for what it leaves out."""
        if not self.endpoints:
            raise InvalidInput(
                "the model could not be loaded; the page says why", HTTPStatus.SERVICE_UNAVAILABLE
            )
        if name not in self.endpoints:
            known = ", ".join(self.endpoints)
            raise InvalidInput(
                f"there is no endpoint {quoted(name)}; there are {known}", HTTPStatus.NOT_FOUND
            )
        parameters = self._parameters[name]
        if how == "call/v2":
            unknown = call.keys() - parameters.keys()
            if unknown:
                raise InvalidInput(
                    f"{name} takes no {quoted(min(unknown))}; it takes {', '.join(parameters)}"
                )
            given = call
        else:
            data = call.get("data")
            if not isinstance(data, list) or len(data) > len(parameters):
                raise InvalidInput(
                    f'"data" must be a list of at most {len(parameters)} values: '
                    f"{', '.join(parameters)}"
                )
            given = dict(zip(parameters, data, strict=False))
        missing = [
            parameter
            for parameter, of in parameters.items()
            if parameter not in given and of.default is Parameter.empty
        ]
        if missing:
            raise InvalidInput(f"{name} needs {' and '.join(missing)}")
        return [given.get(parameter, of.default) for parameter, of in parameters.items()]


class _Answer:
    """What goes back."""

    def __init__(self, send: Send) -> None:
        self._send, self._started = send, False

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        self._started = self._started or message["type"] == "http.response.start"
        await self._send(message)

    async def give(
        self, content: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """Answer JSON."""
        response = Response(orjson.dumps(content), status, headers, "application/json")
        await response({"type": "http"}, _nothing, self.send)

    async def stream(self, content: AsyncIterator[bytes], receive: Receive) -> None:
        """Answer an event stream."""
        response = StreamingResponse(content, media_type="text/event-stream")
        await response({"type": "http"}, receive, self.send)

    async def refuse(self, error: Exception) -> None:
        """Answer an error; where an answer has begun, it ends."""
        if self._started:
            await self._send({"type": "http.response.body", "body": b""})
            return
        status, content = refusal(error)
        headers = {"retry-after": "1"} if content["error"] == BUSY else None
        await self.give(content, status, headers)


def _whose_fault(error: Exception, scope: Scope) -> Exception:
    """The error to answer; where it is our own, it is logged."""
    if isinstance(error.__cause__, HTTPException):
        return error  # gradio has answered that it does not know an event any more
    if _EVENT.search(scope["path"]):
        # What fails in a function is answered by gradio; this failed before it was found.
        return InvalidInput(NO_EVENT)
    _log.error("%s %s failed", scope["method"], scope["path"], exc_info=error)
    return error


class _Replay:
    """A body that was read, as if it came just now."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._first: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive

    async def __call__(self) -> Message:
        first, self._first = self._first, None
        return await self._receive() if first is None else first


async def _read(receive: Receive, most: int) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise InvalidInput("the request ended before its body did")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise InvalidInput(
                f"the request is larger than {most // 1024} KB",
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            )
        if not message.get("more_body", False):
            return b"".join(parts)


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidInput("the request is not JSON") from None
    if not isinstance(found, dict):
        raise InvalidInput('the request is no JSON object, such as {"data": [...]}')
    _check_values(found, DEEPEST)
    return found


def _check_values(value: Any, depth: int) -> None:
    if isinstance(value, dict):
        if "_type" in value:
            raise InvalidInput("the endpoints take no files")  # gradio's mark of one
        value = value.values()
    elif not isinstance(value, list):
        return
    if depth == 0:
        raise InvalidInput(f"the request is nested more than {DEEPEST} deep")
    for part in value:
        _check_values(part, depth - 1)


def _as_json(scope: Scope, body: bytes) -> Scope:
    """The request with the headers of its body, which may have come without or with others."""
    ours = {b"content-type": b"application/json", b"content-length": str(len(body)).encode()}
    others = [pair for pair in scope["headers"] if pair[0] not in ours]
    return {**scope, "headers": [*others, *ours.items()]}


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
