"""What the Space costs beyond gradio: start, memory, and calls of `recommend` beside an echo.

Usage: python benchmarks/space_api.py [../shared/data/ml-100k]

Trains collab_learner on MovieLens 100K and serves it as `space/app.py` does. Next to it runs the
same server whose `recommend` returns the ratings that it was given: an echo on the same kind of
route. Both get the same requests of 20 ratings, drawn anew for each, in rounds that alternate, at
1, 8 and 32 clients. Start and memory are compared with an app of the same gradio that has one echo
and nothing of hf_cf. Writes benchmarks/results/space.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import gradio
import numpy as np

import hf_cf
from hf_cf.training import fit

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "space.md"
STARTS, ROUNDS = 5, 7
CLIENTS = {1: 60, 8: 100, 32: 130}  # requests a round; 2,030 of each kind in all

# As a stranger would write it, with nothing of hf_cf.
PLAIN_GRADIO = """
import torch
import gradio as gr

def echo(ratings: dict[str, float], n: int = 12) -> dict[str, float]:
    return ratings

with gr.Blocks() as demo:
    gr.api(echo, queue=False)
demo.launch(run_history=False)
"""

ECHO = """
import os
from hf_cf import Recommender
from hf_cf.space.service import Service
from hf_cf.space.serving import serve, space

class Echo(Service):
    def recommend(self, ratings: dict[str, float], n: int = 12) -> dict[str, float]:
        return ratings

serve(space(Echo(Recommender.from_pretrained(os.environ["HF_CF_MODEL"]))))
"""

Body = dict[str, Any]


class Server:
    """An app in a process of its own."""

    def __init__(self, code: list[str], endpoint: str, **variables: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = os.environ | {
            "GRADIO_SERVER_PORT": str(self.port),
            "GRADIO_ANALYTICS_ENABLED": "False",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
        }
        self.endpoint = endpoint
        self._process = subprocess.Popen(
            [sys.executable, *code], env=environment | variables, stdout=subprocess.DEVNULL
        )

    def first_answer(self, body: Body) -> float:
        """Seconds from now until the app has answered a request."""
        began = time.perf_counter()
        while True:
            try:
                call = plain if self.endpoint == "recommend" else by_gradio
                call(HTTPConnection("127.0.0.1", self.port), self.endpoint, body)
                return time.perf_counter() - began
            except OSError:
                if self._process.poll() is not None:
                    raise RuntimeError("the app ended") from None
                time.sleep(0.02)

    def memory(self) -> float:
        """Resident memory in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text("utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def processor_seconds(self) -> float:
        """Processor time that the app has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text("utf-8").rpartition(")")[2]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()


@contextmanager
def running(*arguments: Any, **variables: str) -> Iterator[Server]:
    server = Server(*arguments, **variables)
    try:
        yield server
    finally:
        server.stop()


def exchange(connection: HTTPConnection, method: str, path: str, body: Body | None) -> bytes:
    payload = None if body is None else json.dumps(body)
    connection.request(method, path, payload, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != 200:
        raise ValueError(f"{answer.status}: {said[:200]!r}")
    return said


def plain(connection: HTTPConnection, endpoint: str, body: Body) -> None:
    """One request to a plain route."""
    if not json.loads(exchange(connection, "POST", f"/api/{endpoint}", body)):
        raise ValueError("an empty answer")


def by_gradio(connection: HTTPConnection, endpoint: str, body: Body) -> None:
    """Two requests to gradio: an event, and its stream."""
    path = f"/gradio_api/call/{endpoint}"
    data = {"data": [body["ratings"], body["n"]]}
    event = json.loads(exchange(connection, "POST", path, data))["event_id"]
    said = exchange(connection, "GET", f"{path}/{event}", None)
    if b"event: complete" not in said:
        raise ValueError(repr(said[:200]))


def round_of(
    call: Callable[..., None], server: Server, bodies: list[Body], clients: int
) -> tuple[float, float, list[float]]:
    """Requests a second, the server's processor time in ms a request, and every latency in ms."""
    numbers = count()

    def client(_: int) -> list[float]:
        connection = HTTPConnection("127.0.0.1", server.port)
        latencies = []
        while (number := next(numbers)) < len(bodies):
            began = time.perf_counter()
            call(connection, server.endpoint, bodies[number])
            latencies.append(1000 * (time.perf_counter() - began))
        connection.close()
        return latencies

    used, began = server.processor_seconds(), time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        latencies = [own for each in pool.map(client, range(clients)) for own in each]
    took, used = time.perf_counter() - began, server.processor_seconds() - used
    return len(bodies) / took, 1000 * used / len(bodies), latencies


def starts(space: tuple[Any, ...], model: str, body: Body) -> tuple[str, list[str]]:
    """Start and memory of both apps, alternating; the first of each only warms the disk."""
    echo, own = [], []
    for turn in range(STARTS + 1):
        for code, endpoint, found in ((["-c", PLAIN_GRADIO], "echo", echo), (*space, own)):
            with running(code, endpoint, HF_CF_MODEL=model) as server:
                seconds = server.first_answer(body)
                if turn:
                    found.append((seconds, server.memory()))
    (echo_s, echo_mb), (own_s, own_mb) = (
        tuple(median(column) for column in zip(*found, strict=True)) for found in (echo, own)
    )
    return (
        f"Start to first answer {own_s / echo_s:.2f} times the echo's, {own_mb - echo_mb:.0f} MB "
        "above it.",
        [
            f"| echo, with torch | {echo_s:.2f} | | {echo_mb:.0f} | |",
            f"| the Space | {own_s:.2f} | {own_s / echo_s:.2f} (at most 1.5) | {own_mb:.0f} | "
            f"{own_mb - echo_mb:+.0f} (at most +150) |",
        ],
    )


def throughput(
    call: Callable[..., None], echo: Server, space: Server, draw: Callable[[], Body]
) -> list[str]:
    """A row of the table for each number of clients."""
    rows = []
    for clients, size in CLIENTS.items():
        rates: dict[str, list[float]] = {"echo": [], "recommend": []}
        used: dict[str, list[float]] = {"echo": [], "recommend": []}
        latencies: list[float] = []
        for _ in range(ROUNDS):
            bodies = [draw() for _ in range(size)]
            for name, server in (("echo", echo), ("recommend", space)):
                rate, processor, took = round_of(call, server, bodies, clients)
                rates[name].append(rate)
                used[name].append(processor)
                latencies += took if server is space else []
        ratio = median(np.divide(rates["recommend"], rates["echo"]))
        rows.append(
            f"| {call.__name__} | {clients} | {median(rates['echo']):.0f} | "
            f"{median(rates['recommend']):.0f} | {ratio:.2f} | {median(used['echo']):.1f} | "
            f"{median(used['recommend']):.1f} | {median(latencies):.0f} | "
            f"{np.quantile(latencies, 0.99):.0f} |"
        )
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default="../shared/data/ml-100k")
    data = parser.parse_args().data
    ratings = hf_cf.load_ratings(data)
    titles = ratings.catalogue["title"].drop_duplicates(keep=False).to_numpy(object)
    drawing = random.Random(0)

    def draw() -> Body:
        rated = {title: drawing.randint(1, 5) for title in drawing.sample(titles.tolist(), 20)}
        return {"ratings": rated, "n": 12}

    with tempfile.TemporaryDirectory() as folder:
        fit(ratings, None, progress=False).save_pretrained(folder)
        space = ([str(ROOT / "space" / "app.py")], "recommend")
        said, start_rows = starts(space, folder, draw())
        print(said, flush=True)
        with (
            running(["-c", ECHO], "recommend", HF_CF_MODEL=folder) as echo,
            running(*space, HF_CF_MODEL=folder) as own,
        ):
            echo.first_answer(draw())
            own.first_answer(draw())
            rows = [row for call in (plain, by_gradio) for row in throughput(call, echo, own, draw)]
    lines = [
        "# What the Space costs beyond gradio",
        "",
        f"Written by `benchmarks/space_api.py`. gradio {gradio.__version__}, Python "
        f"{platform.python_version()}, {os.cpu_count()} cores, load average "
        f"{os.getloadavg()[0]:.1f} at the end; collab_learner on {ratings.source.name}.",
        "",
        f"From the start of the process to the first answered request, median of {STARTS}:",
        "",
        "| app | seconds | ratio | resident MB | difference |",
        "|---|---|---|---|---|",
        *start_rows,
        "",
        "`recommend` with 20 ratings next to an echo of them by the same server, median of "
        f"{ROUNDS} rounds that alternate, {ROUNDS * sum(CLIENTS.values()):,} requests of each "
        "kind, no error. *plain* is one request to `/api/recommend`, where the bar is a ratio of "
        "0.8; *by_gradio* is the two of `/gradio_api/call`. The clients are Python threads on the "
        "same machine. The processor's time is the server's own, which other work changes least.",
        "",
        "| calls | clients | echo /s | recommend /s | ratio | echo, processor ms | recommend, "
        "processor ms | recommend p50 ms | p99 ms |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
    ]
    RESULTS.write_text("\n".join(lines), "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
