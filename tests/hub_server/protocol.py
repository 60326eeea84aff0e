"""What every answer of the Hub rests on: requests, refusals, routes, accounts and their rights."""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote

from .repositories import Repository, RepositoryStore, UnknownRevision
from .xet import XetStorage


@dataclass(frozen=True)
class User:
    """Whom a token stands for.

    Attributes
    ----------
    name : str
        The account, and the namespace that it may write to.
    role : {"write", "read"}
        What the token allows.
    """

    name: str
    role: str = "write"


@dataclass
class Request:
    """One request, its path still percent-encoded and without the query."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""

    @property
    def json(self) -> dict[str, Any]:
        """The body, parsed."""
        return json.loads(self.body or b"{}")


@dataclass
class Response:
    """One response; ``ranges`` tells whether parts of the body may be asked for."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = False

    @classmethod
    def of(cls, content: Any, status: int = 200, **headers: str) -> Response:
        """Answer with JSON."""
        return cls(
            status, json.dumps(content).encode(), {"Content-Type": "application/json"} | headers
        )


class Refusal(Exception):
    """The Hub says no: a status, a sentence and, where the client looks for one, a code."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.response = Response.of({"error": message}, status)
        self.response.headers |= {"X-Error-Message": message} | (headers or {})
        if code:
            self.response.headers["X-Error-Code"] = code


_Endpoint = Callable[..., Response]


class Routes:
    """Endpoints by method and path.

    Groups named ``kind`` and ``repo_id`` and all others of the path's pattern become arguments.
    """

    REPO = r"/api/(?P<kind>model|space|dataset)s/(?P<repo_id>[^/]+/[^/]+)"
    PAGE = r"/(?:(?P<kind>space|dataset)s/)?(?P<repo_id>[^/]+/[^/]+)"  # models go unnamed here

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], _Endpoint]] = []

    def __call__(self, method: str, pattern: str) -> Callable[[_Endpoint], _Endpoint]:
        """Decorate an endpoint with where it is found."""

        def register(endpoint: _Endpoint) -> _Endpoint:
            self._routes.append((method, re.compile(pattern), endpoint))
            return endpoint

        return register

    def find(self, request: Request) -> Callable[[Hub], Response] | None:
        """Return what answers a request, or None where there is nothing."""
        method = "GET" if request.method == "HEAD" else request.method
        for candidate, pattern, endpoint in self._routes:
            match = pattern.fullmatch(request.path)
            if match and method == candidate:
                found = match.groupdict()
                arguments = {name: value and unquote(value) for name, value in found.items()}
                if "kind" in arguments:
                    arguments["kind"] = arguments["kind"] or "model"
                return partial(endpoint, request=request, **arguments)
        return None


class Hub:
    """The Hub's accounts and repositories, and its answers.

    Parameters
    ----------
    store : RepositoryStore
        Where the repositories are.
    endpoint, storage : str
        Origins of the Hub and of its file storage, such as ``http://127.0.0.1:8080``.
    """

    def __init__(self, store: RepositoryStore, endpoint: str, storage: str) -> None:
        self.store = store
        self.xet = XetStorage(store.root / "xet")
        self.endpoint = endpoint
        self.storage = storage
        self.users: dict[str, User] = {}
        self._signing_key = secrets.token_bytes(16)

    def answer(self, request: Request, *tables: Routes) -> Response:
        """Answer with the first endpoint that fits."""
        for routes in tables:
            if endpoint := routes.find(request):
                try:
                    return endpoint(self)
                except Refusal as refusal:
                    return refusal.response
        return Response.of({"error": "Sorry, we can't find the page you are looking for."}, 404)

    def storage_url(self, sha256: str) -> str:
        """Return an address at which the storage gives or takes content."""
        return f"{self.storage}/objects/{sha256}?signature={self.signature(sha256)}"

    def signature(self, sha256: str) -> str:
        """Return what opens an object of the storage, in place of a token."""
        return hmac.new(self._signing_key, sha256.encode(), "sha256").hexdigest()

    def user(self, request: Request) -> User | None:
        """Return who asks; None without a token; a refusal for a token that nobody has."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if not scheme:
            return None
        if token not in self.users:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return self.users[token]

    def writer(self, request: Request, namespace: str | None = None) -> User:
        """Return who asks, if they may write, and in that namespace if one is given."""
        user = self.user(request)
        if user is None:
            raise Refusal(401, "Invalid username or password.")
        if user.role != "write":
            raise Refusal(403, "Forbidden: you must use a write token to upload to a repository.")
        if namespace not in (None, user.name):
            raise Refusal(
                403, f"Forbidden: you don't have the rights to write under {namespace!r}."
            )
        return user

    def readable(self, request: Request, kind: str, repo_id: str) -> Repository:
        """Return a repository that the asker may see; a private one hides from all others."""
        user = self.user(request)
        repository = self.store.find(kind, repo_id)
        owner = repo_id.partition("/")[0]
        if repository and (not repository.settings["private"] or (user and user.name == owner)):
            return repository
        # The client knows a bare 401 for a missing repository by its https address, which we lack.
        raise Refusal(404 if user else 401, "Repository not found", "RepoNotFound")

    def downloadable(self, request: Request, kind: str, repo_id: str) -> Repository:
        """Return a repository whose files the asker may have; a gated one is described to all."""
        repository = self.readable(request, kind, repo_id)
        user = self.user(request)
        if repository.settings.get("gated") and (
            user is None or user.name != repo_id.partition("/")[0]
        ):
            raise Refusal(403 if user else 401, "Access to this model is restricted", "GatedRepo")
        return repository

    def writable(self, request: Request, kind: str, repo_id: str) -> Repository:
        """Return a repository that the asker may change."""
        if self.user(request) is None:
            raise Refusal(401, "Invalid username or password.")
        repository = self.readable(request, kind, repo_id)
        self.writer(request, repo_id.partition("/")[0])
        return repository

    def url(self, kind: str, repo_id: str) -> str:
        """Return the address of a repository's page."""
        return f"{self.endpoint}/{'' if kind == 'model' else kind + 's/'}{repo_id}"


def commit_of(repository: Repository, revision: str) -> str:
    """Return the commit that a revision stands for, or refuse."""
    try:
        return repository.resolve(revision)
    except UnknownRevision:
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound") from None
