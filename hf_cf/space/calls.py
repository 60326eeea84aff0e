"""The one limiter: calls are answered one after another, and those beyond a bound are refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from hf_cf.space.endpoints import Endpoint, Values
from hf_cf.space.errors import BUSY, InvalidInput

MOST_AT_ONCE = 100
"""Calls in progress, waiting ones included; the next is refused."""


class Calls:
    """Answers calls in a thread of their own, whichever way they come in.

    An answer is some hundred small operations, between which the GIL is released: several
    threads side by side take longer than one after another. A thread of its own leaves the event
    loop free to read and write meanwhile.

    Parameters
    ----------
    endpoints : mapping of str to Endpoint
        What may be called, by name; none where there is no model.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self.endpoints = endpoints
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="answers")

    def answer(self, name: str, values: Values) -> Any:
        """The answer to a call, for a caller that has a thread of its own.

        Raises
        ------
        InvalidInput
            As many calls as may be are in progress, or the values are wrong.
        """
        return self._begin(name, values).result()

    async def answer_soon(self, name: str, values: Values) -> Any:
        """Like `answer`, for a caller in the event loop."""
        return await asyncio.wrap_future(self._begin(name, values))

    def _begin(self, name: str, values: Values) -> Future[Any]:
        if name not in self.endpoints:
            if not self.endpoints:
                raise InvalidInput(
                    "the model could not be loaded; the page says more",
                    HTTPStatus.SERVICE_UNAVAILABLE,
                )
            raise InvalidInput(f"there is no endpoint {name!r}", HTTPStatus.NOT_FOUND)
        if not self._room.acquire(blocking=False):
            raise InvalidInput(BUSY, HTTPStatus.SERVICE_UNAVAILABLE)
        try:
            future = self._worker.submit(self.endpoints[name].ask, values)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return future
