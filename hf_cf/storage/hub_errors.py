"""What goes wrong at the Hugging Face Hub: what is worth another try, and what to tell people."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from hf_cf.errors import HubError, SaveError

WAITS = (0.5, 2.0)
"""Seconds before the second and the third try."""

LONGEST_WAIT = 30.0
"""Seconds that the Hub may take to answer a question; its client would wait for ever."""

_NO_ANSWER = 0
_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500
_CONFLICTS = (409, 412)

# First what the client tells apart, then the status. {name} is the repository and its revision.
_BY_KIND = {
    "GatedRepoError": "{name} is open only to those whom its owner admits; ask on its page",
    "RepositoryNotFoundError": "there is no folder {repo} here, and the Hub shows no model of that "
    "name; a private one is shown to its owner only, after `hf auth login` or with token=",
    "RevisionNotFoundError": "{repo} has no branch, tag or commit {revision!r}",
    "IncompleteSnapshotError": "{name} could not be downloaded as a whole: {error}",
    "LocalEntryNotFoundError": "{name} could not be downloaded: {error}",
}
_BY_STATUS = {
    _NO_ANSWER: "the Hub cannot be reached for {name}{no_folder}",
    401: "the Hub does not accept the token; make a new one at "
    "https://huggingface.co/settings/tokens",
    403: "the token may not write to {repo}; it needs write access{proposal}",
    409: "{name} was changed by somebody else at the same time; try again",
    412: "{name} was changed by somebody else at the same time; try again",
    _TOO_MANY_REQUESTS: "the Hub has had too many requests from here; try again later",
}
_HERE = (
    "a file of this machine could not be written or read for {name}: {error}. See that there is "
    "space, and that you may write there"
)
_FOR_MODELS = {
    "no_folder": ", and there is no folder of that name here",
    "proposal": ", or propose the change with create_pr=True (--create-pr)",
}

_Answer = TypeVar("_Answer")


def tried(ask: Callable[[], _Answer]) -> _Answer:
    """Ask, and twice more where the Hub has trouble that may pass."""
    for wait in WAITS:
        try:
            return ask()
        except Exception as error:
            if not may_pass(error):
                raise
        time.sleep(wait)
    return ask()


def may_pass(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    status = _status(error)
    return status in {_NO_ANSWER, _TOO_MANY_REQUESTS} or (status or 0) >= _SERVER_ERRORS


def is_conflict(error: BaseException) -> bool:
    """Whether a branch had moved on before it was written to."""
    return _status(error) in _CONFLICTS


def reason_of(
    error: BaseException, repo_id: str, revision: str | None = None, kind: str = "model"
) -> str | None:
    """Tell what went wrong at the Hub and what to do; None for what is no matter of the Hub."""
    if isinstance(error, HubError | SaveError):
        return None
    status = _status(error)
    kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _BY_KIND]
    if status in _BY_STATUS and "LocalEntryNotFoundError" in kinds:
        kinds = []  # the cause says more
    if kinds:
        text = _BY_KIND[kinds[0]]
    elif status is None:
        if not isinstance(error, OSError):
            return None
        text = _HERE
    else:
        text = _BY_STATUS.get(status, "the Hub failed to answer for {name} (status {status})")
    return text.format(
        name=named(repo_id, revision), repo=repo_id, revision=revision, error=error, status=status,
        **(_FOR_MODELS if kind == "model" else dict.fromkeys(_FOR_MODELS, "")),
    )  # fmt: skip


def named(repo_id: str, revision: str | None) -> str:
    """Name a repository and its revision."""
    return repo_id if revision is None else f"{repo_id} at {revision}"


def _status(error: BaseException) -> int | None:
    """HTTP status behind an error, 0 where no answer came; None if it has another cause."""
    from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, HfHubHTTPError):
            return int(seen.response.status_code)
        if isinstance(seen, HTTPError | ConnectionError):
            return _NO_ANSWER
        seen = seen.__cause__
    return None
