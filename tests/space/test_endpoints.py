"""The endpoints as programs meet them: gradio's client and plain HTTP, good calls and bad."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from calling import GOOD, RATINGS, call, served
from gradio_client import Client
from gradio_client.exceptions import AppError
from test_mcp import in_session, text_of

from hf_cf.space.group import GroupFunctions
from hf_cf.space.service import Service


@pytest.fixture(scope="module")
def http(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def client(address: str) -> Client:
    return Client(address, verbose=False, analytics_enabled=False)


def answer_of(service: Service, name: str) -> Any:
    """What the service answers to the good call, after a way through JSON."""
    asked = GroupFunctions(service) if name == "recommend_together" else service
    defaults = {"explain": False} if name in ("recommend", "recommend_for_user") else {}
    return json.loads(json.dumps(getattr(asked, name)(**GOOD[name], **defaults)))


def error_of(http: httpx.Client, name: str, values: dict[str, Any]) -> tuple[str, str]:
    """Title and message of a call that goes wrong."""
    event, data = call(http, name, values)
    assert event == "error", data
    return data["title"], data["error"]


def test_the_eight_endpoints_are_all_that_is_public(http: httpx.Client) -> None:
    info = http.get("gradio_api/info").json()
    assert {name.strip("/") for name in info["named_endpoints"]} == GOOD.keys()
    assert not info["unnamed_endpoints"]


def test_every_endpoint_says_what_it_takes(http: httpx.Client) -> None:
    for name, endpoint in http.get("gradio_api/info").json()["named_endpoints"].items():
        assert endpoint["description"], name
        assert all(parameter["type"] for parameter in endpoint["parameters"]), name


@pytest.mark.parametrize("name", GOOD)
def test_gradio_client_gets_what_the_service_answers(
    client: Client, service: Service, name: str
) -> None:
    answer = client.predict(**GOOD[name], api_name=f"/{name}")
    assert answer == answer_of(service, name)


@pytest.mark.parametrize("name", GOOD)
def test_plain_http_gets_what_the_service_answers(
    http: httpx.Client, service: Service, name: str
) -> None:
    event, data = call(http, name, GOOD[name])
    assert event == "complete"
    assert data == [answer_of(service, name)]


def test_values_in_order_may_leave_out_the_last(http: httpx.Client, service: Service) -> None:
    answer = http.post("gradio_api/run/recommend", json={"data": [RATINGS, 3]})
    assert answer.json()["data"] == [service.recommend(RATINGS, 3, explain=False)]


@pytest.mark.parametrize(
    ("name", "values", "title", "says"),
    [
        ("recommend", {"ratings": {"Alien (1979": 5}}, "404 Not Found", "'Alien (1979)'"),
        ("recommend", {"ratings": {"Alien (1979)": 11}}, "400 Bad Request", "11"),
        ("recommend", {"ratings": {"Alien (1979)": None}}, "400 Bad Request", "not a number"),
        ("recommend", {"ratings": [{"item": 3}]}, "400 Bad Request", "an item and a rating"),
        ("recommend", {"ratings": "Alien"}, "400 Bad Request", "ratings is 'Alien'"),
        ("recommend", {"ratings": RATINGS, "n": -1}, "400 Bad Request", "n is -1"),
        ("recommend", {"ratings": RATINGS, "n": 10**9}, "400 Bad Request", "1 to 100"),
        ("recommend", {"ratings": RATINGS, "n": True}, "400 Bad Request", "n is True"),
        ("recommend", {"ratings": RATINGS, "genres": ["Opera"]}, "400 Bad Request", "Opera"),
        ("recommend", {"ratings": RATINGS, "years": [1990]}, "400 Bad Request", "years is"),
        ("recommend", {"ratings": RATINGS, "novelty": 2}, "400 Bad Request", "from 0 to 1"),
        ("recommend", {"ratings": RATINGS, "explain": "no"}, "400 Bad Request", "true or false"),
        ("recommend_for_user", {"user": 10**6}, "404 Not Found", "no user 1000000"),
        ("recommend_together", {"group": []}, "400 Bad Request", "1 to 8 people"),
        ("recommend_together", {"group": [RATINGS] * 9}, "400 Bad Request", "1 to 8 people"),
        ("recommend_together", {"group": [RATINGS, 3]}, "400 Bad Request", "ratings is 3"),
        ("recommend_together", {"group": [{"No": 3}]}, "404 Not Found", "no item 'No'"),
        ("predict", {"items": ["Heat (1995)"]}, "400 Bad Request", "ratings or a user"),
        ("predict", {"items": "Heat", "user": 7}, "400 Bad Request", "list of ids or titles"),
        ("similar", {"item": "<b>Heat</b>"}, "404 Not Found", "'<b>Heat</b>'"),
        ("similar", {"item": {}}, "400 Bad Request", "an id or a title"),
        ("search", {"text": "a" * 301}, "400 Bad Request", "301 characters"),
        ("next_questions", {"exclude": [None]}, "400 Bad Request", "entry of exclude is None"),
        ("explain", {"item": 1, "ratings": {}, "user": 7}, "400 Bad Request", "either"),
    ],
)
def test_bad_values_are_named(
    http: httpx.Client, name: str, values: dict[str, Any], title: str, says: str
) -> None:
    found_title, message = error_of(http, name, values)
    assert found_title == title
    assert says in message
    direct = http.post(f"api/{name}", json=values)
    assert direct.status_code == int(title[:3])
    assert direct.json() == {"error": message, "title": title}


def test_gradio_client_raises_the_message(client: Client) -> None:
    with pytest.raises(AppError, match="the nearest titles are 'Heat"):
        client.predict(item="Heet (1995)", api_name="/similar")


@pytest.mark.parametrize("name", GOOD)
def test_a_plain_route_gives_what_the_service_answers(
    http: httpx.Client, service: Service, name: str
) -> None:
    answer = http.post(f"api/{name}", json=GOOD[name])
    assert answer.status_code == 200
    assert answer.json() == answer_of(service, name)


def test_null_stands_for_the_default(http: httpx.Client, service: Service) -> None:
    expected = answer_of(service, "recommend")
    nulls = {"n": None, "genres": None, "years": None, "novelty": None, "explain": None}
    assert http.post("api/recommend", json={**GOOD["recommend"], **nulls}).json() == expected
    answer = http.post("gradio_api/run/recommend", json={"data": [RATINGS, *[None] * 8]})
    assert answer.json()["data"] == [expected]


def test_openapi_describes_the_public_endpoints(http: httpx.Client) -> None:
    paths = http.get("openapi.json").json()["paths"]
    assert paths.keys() == {f"/api/{name}" for name in GOOD}
    for path in paths.values():
        assert path["post"]["description"]
        schema = path["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert all(each["description"] for each in schema["properties"].values())
        answer = path["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        assert answer["description"]
    assert http.get("docs").status_code == 200


@pytest.mark.parametrize(
    ("name", "body", "status", "says"),
    [
        ("rate", {}, 404, "no endpoint 'rate'"),
        ("search", {}, 400, "search needs text"),
        ("search", {"text": "a", "k": 3}, 400, "takes no 'k'"),
        ("search", [], 400, "no JSON object"),
    ],
)
def test_a_bad_request_of_a_plain_route_is_refused(
    http: httpx.Client, name: str, body: Any, status: int, says: str
) -> None:
    answer = http.post(f"api/{name}", json=body)
    assert answer.status_code == status
    assert says in answer.json()["error"]
    assert answer.json()["title"].startswith(str(status))


def test_what_is_no_json_or_too_large_or_too_deep_is_refused(http: httpx.Client) -> None:
    cases = [
        (b'{"text', 400, "not JSON"),
        (b'{"text": ' + b"[" * 100_000, 400, "nested"),
        (b'{"text": ' + b"[" * 100 + b"]" * 100 + b"}", 400, "nested"),
        (b'{"text": "' + b"a" * 300_000 + b'"}', 413, "256 KB"),
    ]
    for path in ("api/search", "gradio_api/call/v2/search"):
        for body, status, says in cases:
            answer = http.post(path, content=body)
            if path.startswith("api") or "not JSON" not in says:
                assert answer.status_code == status
                assert says in answer.json()["error"]
            else:
                assert answer.status_code < 500


def test_a_hundred_thousand_ratings_are_refused(http: httpx.Client) -> None:
    many = {str(i): 3 for i in range(2001)}
    assert "2,001 ratings" in error_of(http, "recommend", {"ratings": many})[1]
    huge = {str(i): 3 for i in range(100_000)}
    assert http.post("api/recommend", json={"ratings": huge}).status_code == 413


def test_a_fault_of_our_own_has_a_number_and_says_nothing_else(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Service) -> Any:
        raise ValueError("/srv/secret.py knows user 7")

    monkeypatch.setattr(Service, "model_info", broken)
    with served(service) as address, httpx.Client(base_url=address, timeout=60) as http:
        answer = http.post("api/model_info", json={})
        event, said = call(http, "model_info", {})
        _, (tool,) = in_session(address, [("model_info", {})])
    assert answer.status_code == 500
    assert event == "error" and tool.isError
    assert said["title"] == "500 Internal Server Error"
    for words in (answer.json()["error"], said["error"], text_of(tool)):
        assert "secret" not in words and "user 7" not in words
        assert words.rsplit(" ", 1)[1] in caplog.text
    assert caplog.text.count("secret.py knows user 7") >= 3


def test_an_event_that_nobody_started_is_unknown(
    http: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = http.get("gradio_api/call/search/0123456789abcdef0123456789abcdef")
    assert "event: error" in answer.text
    assert "Traceback" not in capfd.readouterr().err


def test_visitors_at_the_same_time_get_their_own_answers(address: str, service: Service) -> None:
    titles = service.rec.catalogue["title"].drop_duplicates(keep=False).tolist()
    visitors = [{title: 5, titles[24]: 1} for title in titles[:24]]

    def ask(ratings: dict[str, float]) -> Any:
        with httpx.Client(base_url=address, timeout=60) as own:
            return call(own, "recommend", {"ratings": ratings, "n": 4})

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, visitors))
    assert answers == [
        ("complete", [service.recommend(ratings, 4, explain=False)]) for ratings in visitors
    ]
