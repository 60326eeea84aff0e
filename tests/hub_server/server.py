"""The Hub's two HTTP servers, their log of requests, and the faults that tests ask for."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from . import file_endpoints, repository_endpoints
from .file_endpoints import store_file
from .protocol import Hub, Request, Response, User
from .repositories import Repository, RepositoryStore
from .repository_endpoints import start_repository

_ROUTES = {
    "hub": (repository_endpoints.ROUTES, file_endpoints.ROUTES),
    "storage": (file_endpoints.STORAGE_ROUTES,),
}


@dataclass(frozen=True)
class LoggedRequest:
    """One request that the server saw.

    Attributes
    ----------
    origin : {"hub", "storage"}
        Which of the two it was sent to.
    method, path : str
        The path is percent-encoded and has no query.
    query, headers : dict
        Headers by their names in lower case.
    status : int
        What was answered; 0 when the connection was cut before an answer.
    """

    origin: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    status: int

    @property
    def token(self) -> str | None:
        """The token that came with the request."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme else None


@dataclass
class Fault:
    """What is to go wrong with the next requests that match."""

    kind: Literal["fail", "cut", "slow", "refuse", "lose"]
    method: str | None
    path_regex: str
    amount: float  # a status, a number of bytes or a number of seconds
    times: int
    after: int = 0  # matching requests that are answered before
    met: bool = False

    def matches(self, request: Request) -> bool:
        """Tell whether this request is meant. A cut needs a body to be cut in."""
        if self.kind == "cut" and request.method == "HEAD":
            return False
        same_method = self.method in (None, request.method)
        return same_method and re.search(self.path_regex, request.path) is not None


class HubServer:
    """A Hub with two accounts, ``user`` and ``stranger``, on two ephemeral ports of 127.0.0.1.

    Parameters
    ----------
    folder : pathlib.Path
        Where repositories are kept; what an earlier server left there is served again.

    Attributes
    ----------
    endpoint, storage : str
        The two origins; ``endpoint`` is for ``HF_ENDPOINT``.
    token, read_token, stranger_token : str
        Tokens of ``user`` (write), ``user`` (read only) and ``stranger`` (write).
    requests : list of LoggedRequest
        All requests so far, oldest first.
    pending_faults : list of Fault
        Those that no request has met yet.
    errors : list of Exception
        Mistakes of this server itself, each answered with a 501.
    """

    def __init__(self, folder: Path) -> None:
        self._servers = {origin: _Server(origin, self) for origin in _ROUTES}
        self.endpoint, self.storage = (self._servers[origin].url for origin in _ROUTES)
        self.requests: list[LoggedRequest] = []
        self.pending_faults: list[Fault] = []
        self.errors: list[Exception] = []
        self._hub = Hub(RepositoryStore(folder), self.endpoint, self.storage)
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self.token = self.add_user("user")
        self.read_token = self.add_user("user", role="read")
        self.stranger_token = self.add_user("stranger")

    def __enter__(self) -> HubServer:
        for server in self._servers.values():
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close both ports and hang up on everybody: from here on the Hub cannot be reached."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def add_user(self, name: str, role: Literal["write", "read"] = "write") -> str:
        """Give an account one more token, and return it."""
        token = f"hf_{name}{role}{len(self._hub.users)}" + "x" * 20
        self._hub.users[token] = User(name, role)
        return token

    def repository(self, repo_id: str, repo_type: str = "model") -> Repository:
        """Look at a repository behind the client's back."""
        repository = self._hub.store.find(repo_type, repo_id)
        if repository is None:
            raise KeyError(repo_id)
        return repository

    def publish(self, repo_id: str, files: Mapping[str, bytes], repo_type: str = "model") -> str:
        """Commit files behind the client's back, with paths and contents that no client would send.

        Parameters
        ----------
        repo_id : str
            Created when missing.
        files : mapping
            Contents by paths, added to those of ``main``.
        repo_type : {"model", "space", "dataset"}
            What kind of repository it is.

        Returns
        -------
        str
            The commit's id.
        """
        with self._lock:
            repository = self._hub.store.find(repo_type, repo_id)
            if repository is None:
                repository = start_repository(self._hub, repo_type, repo_id)
            kept = {path: store_file(self._hub, path, files[path]) for path in files}
            owner, parent = repo_id.partition("/")[0], repository.resolve("main")
            return repository.commit(
                "refs/heads/main",
                repository.files() | kept,
                title="Publish",
                author=owner,
                parent=parent,
            )

    def fail_next(self, method: str, path_regex: str, status: int = 500, times: int = 1) -> None:
        """Answer the next matching requests with an error, without doing what they ask."""
        self.plan(Fault("fail", method, path_regex, status, times))

    def cut_next(self, path_regex: str, after_bytes: int, times: int = 1) -> None:
        """Hang up in the middle: of the request's body for a POST or PUT, else of the answer's."""
        self.plan(Fault("cut", None, path_regex, after_bytes, times))

    def slow_next(self, path_regex: str, seconds: float, times: int = 1) -> None:
        """Keep the next matching requests waiting, then answer them properly."""
        self.plan(Fault("slow", None, path_regex, seconds, times))

    def plan(self, fault: Fault) -> None:
        """Let something go wrong; ``refuse`` hangs up unasked, ``lose`` does and does not say."""
        with self._lock:
            self.pending_faults.append(fault)

    def _take_fault(self, request: Request) -> Fault | None:
        with self._lock:
            for fault in self.pending_faults:
                if fault.matches(request):
                    if fault.after:
                        fault.after -= 1
                        continue
                    fault.met = True
                    fault.times -= 1
                    if not fault.times:
                        self.pending_faults.remove(fault)
                    return fault
        return None

    def _answer(self, origin: str, request: Request, fault: Fault | None) -> Response:
        if fault and fault.kind == "slow":
            self._stopping.wait(fault.amount)
        if fault and fault.kind == "fail":
            return Response.of({"error": "Told to fail"}, int(fault.amount))
        with self._lock:
            try:
                return self._hub.answer(request, *_ROUTES[origin])
            except Exception as error:
                self.errors.append(error)
                return Response.of({"error": f"The server of the tests broke: {error!r}"}, 501)

    def _log(self, origin: str, request: Request, status: int) -> None:
        headers, query = dict(request.headers), dict(request.query)
        entry = LoggedRequest(origin, request.method, request.path, query, headers, status)
        with self._lock:
            self.requests.append(entry)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, origin: str, hub: HubServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.origin = origin
        self.hub = hub
        self._open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self._open):  # kept alive by the client's pool
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet about clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"  # the client keeps its connections
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        split = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, split.path, dict(parse_qsl(split.query)), headers)
        fault = self.server.hub._take_fault(request)
        cut = int(fault.amount) if fault and fault.kind == "cut" else None
        if cut is not None and self.command in ("POST", "PUT"):
            self.rfile.read(min(cut, int(headers.get("content-length", cut))))
            self._finish(request, None, cut)
            return
        if fault and fault.kind == "refuse":
            self._finish(request, None, 0)
            return
        request.body = self._read_body()
        response = self.server.hub._answer(self.server.origin, request, fault)
        if fault and fault.kind == "lose":
            self._finish(request, None, 0)
            return
        self._finish(request, _in_range(response, headers.get("range")), cut)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _finish(self, request: Request, response: Response | None, cut: int | None) -> None:
        self.server.hub._log(self.server.origin, request, response.status if response else 0)
        if response:
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body[:cut])
        if cut is not None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the log is ``HubServer.requests``."""


def _in_range(response: Response, wanted: str | None) -> Response:
    if not response.ranges or response.status != 200:
        return response
    response.headers["Accept-Ranges"] = "bytes"
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted or "")
    if not match:
        return response
    size = len(response.body)
    first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    if first > last:
        return Response(416, b"", {"Content-Range": f"bytes */{size}"})
    headers = response.headers | {"Content-Range": f"bytes {first}-{last}/{size}"}
    return Response(206, response.body[first : last + 1], headers)
