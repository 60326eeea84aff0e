"""Calls of programs over plain HTTP: values in, an answer or an error out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import orjson
from anyio import CapacityLimiter, to_thread

from hf_cf.space.errors import BUSY, InvalidInput, problem_of, refusal

MOST_AT_ONCE = 100
MOST_KEPT = 1000
HEARTBEAT = 15.0  # seconds
BRIEF = 0.003  # seconds of processor time
FEW = 100  # ratings, or characters
_FORGETTING = 0.9

Endpoint = Callable[..., Any]


class Calls:
    """Computes answers, at once or as events that a second request waits for.

    A call has no session and changes nothing, and gradio's care for both costs more than the
    answer; so what comes over plain HTTP is answered here, in gradio's own words.

    Answers are computed in threads, so that the server goes on reading and writing meanwhile. But
    to hand a call over to a thread costs nearly as much as a recommendation, which is less than
    what gradio itself does in the server's own thread for any call. So what is small and was brief
    the last few times is computed there.

    Parameters
    ----------
    endpoints : mapping of str to callable
        What may be called, by name.
    threads : int
        Calls that compute in threads at a time; the others wait.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint], threads: int) -> None:
        self._endpoints = {
            name: getattr(endpoint, "__wrapped__", endpoint) for name, endpoint in endpoints.items()
        }
        self._threads = threads
        self._limiter: CapacityLimiter | None = None
        self._took: dict[str, float] = {}  # by each endpoint's slowest of late
        self._events: dict[str, asyncio.Task[bytes]] = {}

    async def answer(self, name: str, values: list[Any]) -> dict[str, Any]:
        """The answer to a call.

        Raises
        ------
        InvalidInput
            What the endpoint refused, with its status.
        """
        if self._limiter is None:  # it belongs to an event loop
            self._limiter = CapacityLimiter(self._threads)
        try:
            if self._is_brief(name, values):
                return {"data": [self._compute(name, values)]}
            found = await to_thread.run_sync(self._compute, name, values, limiter=self._limiter)
            return {"data": [found]}
        except Exception as error:
            status, message = problem_of(name, error)
            raise InvalidInput(message, status) from None

    def _is_brief(self, name: str, values: list[Any]) -> bool:
        """Whether a call would be over before a thread had begun it."""
        parts = sum(len(value) for value in values if isinstance(value, (str, list, dict)))
        return parts <= FEW and self._took.get(name, BRIEF) < BRIEF

    def _compute(self, name: str, values: list[Any]) -> Any:
        began = time.thread_time()
        found = self._endpoints[name](*values)
        took = time.thread_time() - began  # of an answer: a refusal says nothing of the next call
        self._took[name] = max(took, _FORGETTING * self._took.get(name, took))
        return found

    def begin(self, name: str, values: list[Any]) -> str:
        """Begin a call; the event that `stream` waits for.

        Raises
        ------
        InvalidInput
            As many calls as may be are in progress.
        """
        if sum(not task.done() for task in self._events.values()) >= MOST_AT_ONCE:
            raise InvalidInput(BUSY, HTTPStatus.SERVICE_UNAVAILABLE)
        event = uuid4().hex
        self._events[event] = asyncio.create_task(self._said(name, values))
        if len(self._events) > MOST_KEPT:  # nobody has come for the oldest
            self._events.pop(next(iter(self._events)))
        return event

    def knows(self, event: str) -> bool:
        """Whether an event was begun, and its answer not taken yet."""
        return event in self._events

    async def stream(self, event: str) -> AsyncIterator[bytes]:
        """The event stream of a call: heartbeats while it waits, then its answer, once."""
        task = self._events.pop(event)
        while not (await asyncio.wait([task], timeout=HEARTBEAT))[0]:
            yield _message("heartbeat", None)
        yield task.result()

    async def _said(self, name: str, values: list[Any]) -> bytes:
        try:
            return _message("complete", (await self.answer(name, values))["data"])
        except InvalidInput as error:
            return _message("error", refusal(error)[1])


def _message(event: str, data: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.encode(), orjson.dumps(data))
