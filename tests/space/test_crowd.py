"""Many calls at once: a full queue answers, and those who were let in get their answers."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from calling import served

import hf_cf
from hf_cf.space import calls, gate, serving
from hf_cf.space.errors import BUSY, InvalidInput
from hf_cf.space.films import Json
from hf_cf.space.service import Service

HEAT = {"data": ["heat"]}


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
    monkeypatch.setattr(gate, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(calls, "MOST_AT_ONCE", 3)
    return Slow(trained)


@pytest.fixture
def http(slow: Slow) -> Iterator[httpx.Client]:
    with served(slow) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield client
        slow.go.set()


def test_calls_beyond_a_bound_are_refused_at_once(slow: Slow, http: httpx.Client) -> None:
    with ThreadPoolExecutor(12) as pool:
        calls = [pool.submit(http.post, "gradio_api/run/search", json=HEAT) for _ in range(12)]
        deadline = time.monotonic() + 60
        while sum(call.done() for call in calls) < 9:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        refused = [call.result() for call in calls if call.done()]
        waiting = [call for call in calls if not call.done()]
        assert len(waiting) == 3
        slow.go.set()
        assert [call.result().status_code for call in waiting] == [200] * 3
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.json()["error"] for answer in refused} == {BUSY}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}


def test_events_beyond_a_bound_are_refused_at_once(slow: Slow, http: httpx.Client) -> None:
    events = [http.post("gradio_api/call/search", json=HEAT)]
    assert slow.begun.wait(60)
    events += [http.post("gradio_api/call/search", json=HEAT) for _ in range(5)]
    assert [event.status_code for event in events] == [200] * 3 + [503] * 3
    assert events[-1].json()["error"] == BUSY
    slow.go.set()
    for event in events[:3]:
        said = http.get(f"gradio_api/call/search/{event.json()['event_id']}").text
        assert "event: complete" in said


def test_an_event_that_takes_long_says_that_it_is_alive(
    slow: Slow, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "HEARTBEAT", 0.01)
    event = http.post("gradio_api/call/search", json=HEAT).json()["event_id"]
    with http.stream("GET", f"gradio_api/call/search/{event}") as answer:
        lines = answer.iter_lines()
        assert [next(lines), next(lines)] == ["event: heartbeat", "data: null"]
        slow.go.set()
        assert "event: complete" in list(lines)
    assert "404" in http.get(f"gradio_api/call/search/{event}").text, "an answer is given once"


def test_gradios_own_queue_refuses_what_it_cannot_take(
    trained: hf_cf.Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "MOST_AT_ONCE", 3)
    slow = Slow(trained)
    with served(slow) as address, httpx.Client(base_url=address, timeout=60) as client:
        index = next(
            each["id"]
            for each in client.get("config").json()["dependencies"]
            if each["api_name"] == "search"
        )
        body = {"data": ["heat", 8], "fn_index": index, "session_hash": "a"}
        answers = [client.post("gradio_api/queue/join", json=body)]
        assert slow.begun.wait(60)
        answers += [client.post("gradio_api/queue/join", json=body) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 4 + [503] * 2
        assert "full" in answers[-1].json()["detail"]
        slow.go.set()


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
            return client.post("gradio_api/run/recommend", json={"data": [rated, 3]})

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(ask, people))
    for rated, answer in zip(people, answers, strict=True):
        if "no film" in next(iter(rated)):
            assert answer.status_code == 404
            assert repr(next(iter(rated))) in answer.json()["error"]
        else:
            alone = service.recommend(rated, 3, explain=False)
            assert answer.json()["data"][0] == alone


def test_what_is_small_and_was_brief_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    here = threading.get_ident()
    few, many = {"Heat (1995)": 4}, dict.fromkeys(map(str, range(calls.FEW + 1)), 4)

    def thread_of(ratings: dict[str, int]) -> int:
        return threading.get_ident()

    async def ask(each: list[dict[str, int]]) -> list[int]:
        answering = calls.Calls({"recommend": thread_of}, 1)
        return [(await answering.answer("recommend", [values]))["data"][0] for values in each]

    first, again, large = asyncio.run(ask([few, few, many]))
    assert first != here, "it may take long"
    assert again == here
    assert large != here
    monkeypatch.setattr(calls, "BRIEF", 0.0)
    assert here not in asyncio.run(ask([few, few])), "it took longer than that"


def test_a_refusal_does_not_say_that_a_call_is_brief() -> None:
    here = threading.get_ident()

    def thread_of(ratings: dict[str, int]) -> int:
        if not ratings:
            raise InvalidInput("no ratings")
        return threading.get_ident()

    async def ask() -> int:
        answering = calls.Calls({"recommend": thread_of}, 1)
        with pytest.raises(InvalidInput):
            await answering.answer("recommend", [{}])
        return (await answering.answer("recommend", [{"Heat (1995)": 4}]))["data"][0]

    assert asyncio.run(ask()) != here
