"""A Space under load: 200 visitors, some slow, some hostile, and a stop in the middle.

``PYTHONPATH=tests/space python benchmarks/space_load.py --minutes 5`` serves a model of the sample
in a process of its own, as `space/app.py` does. Of the clients 1 % send rubbish and 5 % send a
request byte by byte; the others rate, think for some seconds, and ask. Then the Space is told to
stop while requests are under way. Writes ``benchmarks/results/space_load.md``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from calling import GOOD, free_port
from test_hostile_calls import hostile

import hf_cf
from hf_cf.training import fit

ROOT = Path(__file__).parents[1]
OUT = ROOT / "benchmarks" / "results" / "space_load.md"
CLIENTS, HOSTILE, SLOW = 200, 0.01, 0.05
EVERY = 5  # seconds between two looks at the memory
THINKING = 5.0  # seconds, on average


class Seen:
    """What the clients saw."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.errors: list[str] = []
        self.hostile: dict[int, int] = {}
        self.slow: dict[int, int] = {}


def memory(process: subprocess.Popen[bytes]) -> float:
    """Resident megabytes of a process."""
    text = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def honest(client: httpx.AsyncClient, titles: list[str], seen: Seen, until: float) -> None:
    """Ask as a visitor's page and a program do."""
    drawing = random.Random()
    await asyncio.sleep(drawing.uniform(0, THINKING))
    while time.monotonic() < until:
        name = drawing.choices(
            ["recommend", "search", "next_questions", *GOOD], [8, 3, 3, *[1] * len(GOOD)]
        )[0]
        values: dict[str, Any] = dict(GOOD[name])
        if "ratings" in values:
            rated = drawing.sample(titles, drawing.randint(1, 20))
            values["ratings"] = {title: drawing.randint(1, 5) for title in rated}
        began = time.monotonic()
        try:
            answer = await client.post(f"api/{name}", json=values)
            if answer.status_code != 200:
                seen.errors.append(f"{name}: {answer.status_code} {answer.text[:100]}")
        except httpx.HTTPError as error:
            seen.errors.append(f"{name}: {error!r}")
        seen.seconds.append(time.monotonic() - began)
        await asyncio.sleep(drawing.expovariate(1 / THINKING))


async def rude(client: httpx.AsyncClient, seen: Seen, until: float, number: int) -> None:
    """Send rubbish without a pause."""
    drawing = random.Random(number)
    while time.monotonic() < until:
        path, body = hostile(drawing)
        try:
            answer = await client.post(
                path, content=body, headers={"content-type": "application/json"}
            )
            status = answer.status_code
        except httpx.HTTPError:
            status = 0
        seen.hostile[status] = seen.hostile.get(status, 0) + 1


async def dawdling(port: int, seen: Seen, until: float) -> None:
    """Send a byte a second, and see how long that is put up with."""
    head = b"POST /api/search HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n"
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        status = 0
        try:
            writer.write(head)
            for _ in range(60):
                writer.write(b"{")
                await writer.drain()
                try:
                    answer = await asyncio.wait_for(reader.read(100), 1)
                    status = int(answer.split()[1]) if answer else 0
                    break
                except TimeoutError:
                    continue
        except OSError:
            pass
        writer.close()
        seen.slow[status] = seen.slow.get(status, 0) + 1


async def load(address: str, port: int, titles: list[str], minutes: float, space: Any) -> Any:
    """Let all clients work; return what they saw and the memory, minute by minute."""
    seen, until = Seen(), time.monotonic() + 60 * minutes
    n_rude, n_slow = round(CLIENTS * HOSTILE), round(CLIENTS * SLOW)
    sizes: list[float] = []

    async def watch() -> None:
        while time.monotonic() < until:
            sizes.append(memory(space))
            await asyncio.sleep(EVERY)

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
        await asyncio.gather(
            watch(),
            *(rude(client, seen, until, number) for number in range(n_rude)),
            *(dawdling(port, seen, until) for _ in range(n_slow)),
            *(honest(client, titles, seen, until) for _ in range(CLIENTS - n_rude - n_slow)),
        )
    return seen, sizes


async def stopped(address: str, titles: list[str], space: subprocess.Popen[bytes]) -> list[int]:
    """Stop the Space while 50 requests are under way; their statuses."""
    asked = {"ratings": dict.fromkeys(titles[:20], 4)}
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        await asyncio.gather(*(client.get("docs") for _ in range(50)))  # connections are open
        under_way = [
            asyncio.create_task(client.post("api/recommend", json=asked)) for _ in range(50)
        ]
        await asyncio.sleep(0.1)
        space.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*under_way, return_exceptions=True)
    return [each.status_code if isinstance(each, httpx.Response) else 0 for each in answers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    minutes = parser.parse_args().minutes
    train, valid = hf_cf.load_ratings("sample").split(seed=42)
    rec = fit(train, valid, epochs=3, progress=False)
    titles = rec.catalogue["title"].drop_duplicates(keep=False).tolist()
    with tempfile.TemporaryDirectory() as folder:
        rec.save_pretrained(folder)
        port = free_port()
        environment = {
            **os.environ,
            "HF_CF_MODEL": folder,
            "PYTHONPATH": str(ROOT),
            "GRADIO_SERVER_PORT": str(port),
        }
        space = subprocess.Popen(
            [sys.executable, str(ROOT / "space" / "app.py")], env=environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert space.stdout is not None
        said = space.stdout.readline().decode()
        while "The Space is at" not in said:
            assert space.poll() is None, said
            said += space.stdout.readline().decode()
        address = f"http://127.0.0.1:{port}/"
        while True:
            try:
                httpx.get(address, timeout=10)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        asyncio.run(load(address, port, titles, 0.25, space))  # warmed up
        seen, sizes = asyncio.run(load(address, port, titles, minutes, space))
        statuses = asyncio.run(stopped(address, titles, space))
        ended = space.wait(30)
        printed = space.stdout.read().decode()
    write(seen, sizes, statuses, minutes, ended, printed)


def write(
    seen: Seen, sizes: list[float], statuses: list[int], minutes: float, ended: int, printed: str
) -> None:
    """Write the page of results."""
    p50, p99 = np.percentile(seen.seconds, [50, 99])
    answered = sum(status == 200 for status in statuses)
    by_minute = ", ".join(f"{size:.0f}" for size in [*sizes[:: 60 // EVERY], max(sizes)])
    text = f"""# A Space under load

Written by `benchmarks/space_load.py --minutes {minutes:g}` on {os.cpu_count()} cores that other
work shared (load average {os.getloadavg()[1]:.1f} over five minutes), Python
{platform.python_version()}; clients and Space on the same machine. {CLIENTS} clients,
{HOSTILE:.0%} of them hostile and {SLOW:.0%} slow; the others think {THINKING:g} s on average.

| | |
|---|--:|
| calls of honest clients | {len(seen.seconds):,} |
| errors that they saw | {len(seen.errors)} |
| median, 99th percentile | {p50 * 1000:.0f} ms, {p99 * 1000:.0f} ms |
| hostile calls, by status | {json.dumps({str(k): v for k, v in sorted(seen.hostile.items())})} |
| slow requests, by status | {json.dumps({str(k): v for k, v in sorted(seen.slow.items())})} |
| memory at each minute, and the most | {by_minute} MB |
| calls under way at SIGTERM that were answered | {answered} of {len(statuses)} |
| exit status | {ended} |
| tracebacks in what it printed | {printed.count("Traceback")} |
"""
    OUT.write_text(text, "utf-8")
    print(text, *seen.errors[:5], printed[-2000:], sep="\n")


if __name__ == "__main__":
    main()
