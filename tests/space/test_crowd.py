"""Many calls at once: a full queue answers, and those who were let in get their answers."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from calling import call, free_port, served

import hf_cf
from hf_cf.space import calls, limits
from hf_cf.space.errors import BUSY
from hf_cf.space.films import Json
from hf_cf.space.service import Service
from hf_cf.space.serving import server, space

HEAT = {"text": "heat"}


class Slow(Service):
    """Searches only when it is told to."""

    def __init__(self, rec: hf_cf.Recommender) -> None:
        super().__init__(rec)
        self.begun, self.go = threading.Event(), threading.Event()

    def search(self, text: str, n: int = 8) -> list[Json]:
        self.begun.set()
        assert self.go.wait(60)
        return super().search(text, n)


@pytest.fixture
def slow(trained: hf_cf.Recommender, monkeypatch: pytest.MonkeyPatch) -> Slow:
    monkeypatch.setattr(calls, "MOST_AT_ONCE", 3)
    return Slow(trained)


@pytest.fixture
def address(slow: Slow) -> Iterator[str]:
    with served(slow) as url:
        yield url
        slow.go.set()


@pytest.fixture
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


def crowd(pool: ThreadPoolExecutor, http: httpx.Client) -> list[Future[httpx.Response]]:
    """Twelve calls at once, when the nine that are too many have been answered."""
    calls = [pool.submit(http.post, "api/search", json=HEAT) for _ in range(12)]
    deadline = time.monotonic() + 60
    while sum(call.done() for call in calls) < 9:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return calls


def test_calls_beyond_a_bound_are_refused_at_once(slow: Slow, http: httpx.Client) -> None:
    with ThreadPoolExecutor(12) as pool:
        calls = crowd(pool, http)
        refused = [call.result() for call in calls if call.done()]
        waiting = [call for call in calls if not call.done()]
        assert len(waiting) == 3
        slow.go.set()
        assert [call.result().status_code for call in waiting] == [200] * 3
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.json()["error"] for answer in refused} == {BUSY}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}


def test_the_bound_is_the_same_whichever_way_a_call_comes(slow: Slow, http: httpx.Client) -> None:
    with ThreadPoolExecutor(12) as pool:
        crowd(pool, http)
        event, said = call(http, "search", HEAT)
        assert event == "error"
        assert said["error"] == BUSY
        slow.go.set()


def test_a_hundred_half_sent_requests_keep_nobody_waiting(
    trained: hf_cf.Recommender,
) -> None:
    with served(Service(trained)) as address, ExitStack() as open_:
        host, port = address.removeprefix("http://").rstrip("/").split(":")
        for path in ("/api/recommend", "/gradio_api/call/recommend") * 50:
            half = open_.enter_context(socket.create_connection((host, int(port)), timeout=30))
            head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n"
            half.sendall(head.encode() + b'{"ratings": {')
        with httpx.Client(base_url=address, timeout=30) as http:
            began = time.monotonic()
            answer = http.post("api/search", json=HEAT)
            took = time.monotonic() - began
            assert answer.status_code == 200
            assert took < 1
            assert call(http, "search", HEAT)[0] == "complete"


def test_a_request_that_never_ends_is_refused_after_a_while(
    trained: hf_cf.Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.1)
    with served(Service(trained)) as address:
        host, port = address.removeprefix("http://").rstrip("/").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as half:
            half.sendall(b"POST /api/search HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{")
            assert b"408" in half.recv(1000)


def test_requests_in_flight_are_answered_when_the_server_is_stopped(slow: Slow) -> None:
    running = server(space(slow), port=(port := free_port()))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.01)
    with ThreadPoolExecutor(1) as pool:
        url = f"http://127.0.0.1:{port}/api/search"
        waiting = pool.submit(httpx.post, url, json=HEAT, timeout=60)
        assert slow.begun.wait(60)
        running.should_exit = True
        time.sleep(0.3)
        slow.go.set()
        assert waiting.result().status_code == 200
    thread.join(30)
    assert not thread.is_alive()


def test_each_of_many_gets_their_own_answer_or_error(trained: hf_cf.Recommender) -> None:
    service, drawing = Service(trained), random.Random(0)
    titles = trained.catalogue["title"].tolist()
    people = [
        {title: drawing.randint(1, 5) for title in drawing.sample(titles, drawing.randint(1, 40))}
        for _ in range(100)
    ]
    people[::7] = [{f"no film {number}": 3} for number in range(len(people[::7]))]

    with served(service) as address, httpx.Client(base_url=address, timeout=60) as client:

        def ask(rated: dict[str, int]) -> httpx.Response:
            return client.post("api/recommend", json={"ratings": rated, "n": 3})

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, people))
    for rated, answer in zip(people, answers, strict=True):
        if "no film" in next(iter(rated)):
            assert answer.status_code == 404
            assert repr(next(iter(rated))) in answer.json()["error"]
        else:
            alone = service.recommend(rated, 3, explain=False)
            assert answer.json() == alone
