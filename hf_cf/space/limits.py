"""Bounds on requests, before anything else sees them: how large, how slow, and no files."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hf_cf.space.errors import InvalidInput, Problem

MOST_BYTES = 256 * 1024  # 2,000 ratings by title are half of it
MOST_BYTES_OF_A_PAGE = 4 * 1024 * 1024  # a list that a visitor imports
SECONDS = 10.0
DEEPEST = 12

_PAGE = re.compile(r"/api/read_list/?$")
_CALL = re.compile(r"/gradio_api/(call|run)/(?P<name>[^/]+)/?$")
_FILES = re.compile(r"/gradio_api/upload(_progress)?/?$")


class Limits:
    """Reads the body of a request whole, within bounds, and passes it on.

    A body that comes slowly holds nothing but its own connection, and no longer than `SECONDS`:
    only a request that is whole is counted among the calls in progress.

    Parameters
    ----------
    app : ASGIApp
        What answers.
    lengths : mapping of str to int
        How many values each of gradio's endpoints takes. A call of one that gives fewer in order
        is filled up with null, which stands for the default: gradio itself would refuse it.
    """

    def __init__(self, app: ASGIApp, lengths: Mapping[str, int]) -> None:
        self.app, self.lengths = app, lengths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        called = _CALL.search(scope["path"])
        watched = _Watched(send, tells_status=called is not None and called[1] == "run")
        try:
            if scope["method"] not in ("GET", "HEAD", "OPTIONS", "DELETE"):
                body = await _body(scope, receive)
                if called:
                    body = _filled_up(body, self.lengths.get(called["name"], 0))
                receive = _Replay(body, receive)
            await self.app(scope, receive, watched)
        except Exception as error:
            if watched.ended:  # the request was answered; the error is raised for the log alone
                return
            problem = Problem.of(error, f"{scope['method']} {scope['path']}")
            if watched.started:  # an answer that has begun can only end
                await send({"type": "http.response.body", "body": b""})
            else:
                answer = JSONResponse(problem.body, problem.status, problem.headers)
                await answer(scope, receive, send)


class _Watched:
    """What sends an answer, and knows how far it is.

    With `tells_status` an answer of 500 gets the status that its body tells: gradio's ``run``
    answers every error so.
    """

    def __init__(self, send: Send, *, tells_status: bool) -> None:
        self._send, self._tells_status = send, tells_status
        self._held: Message | None = None
        self.started = self.ended = False

    async def __call__(self, message: Message) -> None:
        start = message["type"] == "http.response.start"
        if start and self._tells_status and message["status"] == HTTPStatus.INTERNAL_SERVER_ERROR:
            self._held = message
            return
        self.started = True
        if self._held is not None:
            held, self._held = self._held, None
            await self._send({**held, "status": _status_in(message.get("body", b""))})
        self.ended = message["type"] == "http.response.body" and not message.get("more_body")
        await self._send(message)


def _status_in(body: bytes) -> int:
    """The status of an error of ours, which gradio answers with 500 and its words in the body."""
    try:
        return int(json.loads(body)["title"].split()[0])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return HTTPStatus.INTERNAL_SERVER_ERROR


def _filled_up(body: bytes, length: int) -> bytes:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return body
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, list) or len(data) >= length:
        return body
    return json.dumps({**found, "data": data + [None] * (length - len(data))}).encode()


async def _body(scope: Scope, receive: Receive) -> bytes:
    path = scope["path"]
    if _FILES.search(path):
        raise InvalidInput("this Space takes no files", HTTPStatus.NOT_FOUND)
    most = MOST_BYTES_OF_A_PAGE if _PAGE.search(path) else MOST_BYTES
    try:
        async with asyncio.timeout(SECONDS):
            body = await _read(receive, most)
    except TimeoutError:
        raise InvalidInput(
            f"the request did not arrive within {SECONDS:g} seconds", HTTPStatus.REQUEST_TIMEOUT
        ) from None
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        _check_depth(body)
    return body


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


def _check_depth(body: bytes) -> None:
    """Refuse what is nested so deep that those behind would go down with it."""
    depth, at = 0, 0
    for found in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', body):
        at = found.group()[0]
        depth += 1 if at in b"[{" else -1 if at in b"]}" else 0
        if depth > DEEPEST:
            raise InvalidInput(f"the request is nested more than {DEEPEST} deep")


class _Replay:
    """A body that was read, as if it came just now."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._first: Message | None = {"type": "http.request", "body": body, "more_body": False}
        self._receive = receive

    async def __call__(self) -> Message:
        first, self._first = self._first, None
        return await self._receive() if first is None else first


def json_object(body: bytes) -> dict[str, object]:
    """The JSON object of a body; an empty body is an empty one.

    Raises
    ------
    InvalidInput
        It is not JSON, or something else than an object.
    """
    try:
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise InvalidInput("the request is not JSON") from None
    if not isinstance(found, dict):
        raise InvalidInput("the request is no JSON object of named values")
    return found
