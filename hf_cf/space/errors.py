"""Errors as they are answered: one translation to status and words, whichever way a call came."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from hf_cf.errors import InvalidArgument, UnknownItem, UnknownUser

_log = logging.getLogger(__name__)

BUSY = "many calls are being answered at the moment; try again in a second"


class InvalidInput(InvalidArgument):
    """A value that somebody sent is not one that the service takes; the message says which.

    Attributes
    ----------
    status : HTTPStatus
        What the error is in HTTP.
    """

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        self.status = status
        super().__init__(message)


@dataclass(frozen=True)
class Problem:
    """An error as it is answered.

    Attributes
    ----------
    status : HTTPStatus
    message : str
        May quote what was sent and titles of the catalogue: text, never HTML.
    """

    status: HTTPStatus
    message: str

    @classmethod
    def of(cls, error: Exception, where: str) -> Problem:
        """Translate what was raised by `where`; a fault of our own is logged under a number."""
        match error:
            case InvalidInput():
                return cls(error.status, str(error))
            case UnknownItem() | UnknownUser():
                return cls(HTTPStatus.NOT_FOUND, str(error))
            case InvalidArgument():
                return cls(HTTPStatus.BAD_REQUEST, str(error))
        return cls(HTTPStatus.INTERNAL_SERVER_ERROR, logged(error, where))

    @property
    def title(self) -> str:
        """Such as ``400 Bad Request``."""
        return f"{self.status} {self.status.phrase}"

    @property
    def body(self) -> dict[str, str]:
        """The JSON that answers it."""
        return {"error": self.message, "title": self.title}

    @property
    def headers(self) -> dict[str, str]:
        """When to try again, where that helps."""
        return {"retry-after": "1"} if self.status == HTTPStatus.SERVICE_UNAVAILABLE else {}


def logged(error: Exception, where: str) -> str:
    """Log a fault of our own, and return words that name its entry in the log and nothing else."""
    number = uuid4().hex[:8]
    _log.error("%s failed (number %s)", where, number, exc_info=error)
    return (
        "the server failed, and what was asked is not the reason; its log says more under the "
        f"number {number}"
    )


def quoted(value: Any) -> str:
    """A value as a message may show it: short, whatever was sent."""
    text = repr(value[:80] if isinstance(value, (str, list, tuple)) else value)
    return text if len(text) <= 80 else text[:77] + "..."
