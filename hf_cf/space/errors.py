"""What is wrong with what somebody sent, in words that they may read."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from hf_cf.errors import UnknownItem, UnknownUser

_log = logging.getLogger(__name__)

BUSY = "many calls are being answered at the moment; try again in a second"


class InvalidInput(ValueError):
    """A value that somebody sent is not one that the service takes; the message says which.

    Attributes
    ----------
    status : HTTPStatus
        What the error is in HTTP.
    """

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        self.status = status
        super().__init__(message)


def problem(error: Exception) -> tuple[HTTPStatus, str]:
    """What an error is in HTTP, and what may be said of it: nothing of an error of our own.

    The words may quote what was sent and titles of the catalogue: text, never HTML.
    """
    match error:
        case InvalidInput():
            return error.status, str(error)
        case UnknownItem() | UnknownUser():
            return HTTPStatus.NOT_FOUND, str(error)
        case ValueError():
            return HTTPStatus.BAD_REQUEST, str(error)
    return (
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "the server failed to answer this; it was no fault of yours",
    )


def problem_of(name: str, error: Exception) -> tuple[HTTPStatus, str]:
    """Like `problem`, for what an endpoint raised; where it is our own fault, it is logged."""
    status, message = problem(error)
    if status >= 500:
        _log.error("%s failed", name, exc_info=error)
    return status, message


def refusal(error: Exception) -> tuple[HTTPStatus, dict[str, str]]:
    """The status and the body that answer an error."""
    status, message = problem(error)
    return status, {"error": message, "title": f"{status} {status.phrase}"}


def quoted(value: Any) -> str:
    """A value as a message may show it: short, whatever was sent."""
    text = repr(value[:80] if isinstance(value, (str, list, tuple)) else value)
    return text if len(text) <= 80 else text[:77] + "..."
