"""What stands before gradio: calls that it cannot answer well get a clear answer here."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from inspect import Parameter, Signature
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hf_cf.space.errors import BUSY, InvalidInput, problem, quoted

MOST_BYTES = 256 * 1024  # 2,000 ratings by title are half of it
MOST_BYTES_OF_A_PAGE = 4 * 1024 * 1024  # a list that a visitor imports
MOST_AT_ONCE = 100
DEEPEST = 8

_CALL = re.compile(r"/gradio_api/(?P<how>call/v2|call|run|api)/(?P<name>[^/]*)/?$")
_EVENT = re.compile(r"/gradio_api/(queue/join|(call/v2|call|run|api)/[^/]*)/?$")
_PAGE = re.compile(r"/gradio_api/component_server/?$")
_FILES = re.compile(r"/gradio_api/upload/?$")  # gradio bounds their size itself

_log = logging.getLogger(__name__)


class Gate:
    """Bounds what comes in, fills in defaults, and gives errors their HTTP status.

    A call of an endpoint is checked for its shape: a JSON body of bounded size and depth, values
    that are parameters of the endpoint and none missing. What a call leaves out is filled in, so
    that ``{"data": [ratings]}`` is enough. When too many calls are in progress, the next is told
    to come back instead of waiting.

    Parameters
    ----------
    app : ASGIApp
        Gradio's.
    endpoints : mapping of str to inspect.Signature
        Those that a call may name; none where there is no model.
    """

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Signature]) -> None:
        self.app, self.endpoints = app, endpoints
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
                body = self._complete(called["how"], called["name"], body)
                scope = _as_json(scope, body)
                answer.is_direct = called["how"] in ("run", "api")
            await self.app(scope, _Replay(body, receive), answer.send)
        finally:
            self._in_progress -= 1

    def _complete(self, how: str, name: str, body: bytes) -> bytes:
        """Fill in what a call leaves out, as far as it has defaults."""
        call = _json(body)
        if how != "call/v2" and call.get("fn_index") is not None:
            return body  # the page's own events, which are known by number
        if not self.endpoints:
            raise InvalidInput(
                "the model could not be loaded; the page says why", HTTPStatus.SERVICE_UNAVAILABLE
            )
        if name not in self.endpoints:
            known = ", ".join(self.endpoints)
            raise InvalidInput(
                f"there is no endpoint {quoted(name)}; there are {known}", HTTPStatus.NOT_FOUND
            )
        parameters = self.endpoints[name].parameters
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
        if how == "call/v2" or len(given) == len(parameters):
            return body
        filled = [given.get(parameter, of.default) for parameter, of in parameters.items()]
        return json.dumps({**call, "data": filled}).encode()


@dataclass
class _Answer:
    """What goes back; the answer to a direct call gets the status that its error stands for."""

    _send: Send
    is_direct: bool = False
    started: bool = False
    _held: Message | None = None

    async def send(self, message: Message) -> None:
        """Pass a message on; gradio says 500 to every error, and what was wrong in the body."""
        starts = message["type"] == "http.response.start"
        if starts and self.is_direct and message["status"] == 500:
            self._held = message
            return
        if self._held is not None and message["type"] == "http.response.body":
            held, self._held = self._held, None
            status = _status_of(message["body"])
            self.started = True
            await self._send({**held, "status": status})
        self.started = self.started or starts
        await self._send(message)

    async def refuse(self, error: Exception) -> None:
        """Answer an error; where an answer has begun, it ends."""
        if self.started:
            await self._send({"type": "http.response.body", "body": b""})
            return
        status, message = problem(error)
        headers = {"retry-after": "1"} if message == BUSY else None
        content = {"error": message, "title": f"{status} {status.phrase}"}
        response = JSONResponse(content, status_code=status, headers=headers)
        await response({"type": "http"}, _nothing, self._send)


def _whose_fault(error: Exception, scope: Scope) -> Exception:
    """The error to answer; where it is our own, it is logged."""
    if isinstance(error.__cause__, HTTPException):
        return error  # gradio has answered that it does not know an event any more
    if _EVENT.search(scope["path"]):
        # What fails in a function is answered by gradio; this failed before it was found.
        return InvalidInput("there is no such event on this page")
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


def _status_of(body: bytes) -> int:
    """The status that a title such as "404 Not Found" stands for."""
    try:
        return int(str(json.loads(body)["title"])[:3])
    except (ValueError, KeyError, TypeError):
        return 500


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
