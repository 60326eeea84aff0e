"""A Space keeps nothing of what its visitors send: not in files, not in what it prints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from calling import GOOD, call, free_port
from locations import ROOT
from test_mcp import in_session

import hf_cf

STARS = 3.2718281
MARKS = ("qzv-visitor-8231", "Qzv Unheard Film 5417", str(STARS), "Notting Hill")


@contextmanager
def started(model: Path, home: Path) -> Iterator[tuple[str, Path]]:
    """Start a Space as the Hub does, in a home of its own; what it prints goes to a file."""
    printed, port = home / "printed.txt", free_port()
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    ours = {
        "HOME": str(home), "TMPDIR": str(home / "tmp"), "HF_HOME": str(home / "hf"),
        "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1",
        "HF_CF_MODEL": str(model), "GRADIO_SERVER_PORT": str(port),
        "GRADIO_ANALYTICS_ENABLED": "False",
    }  # fmt: skip
    (home / "tmp").mkdir(parents=True)
    with printed.open("wb") as out:
        space = subprocess.Popen(
            [sys.executable, str(ROOT / "space" / "app.py")], cwd=home, env=kept | ours,
            stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
        address = f"http://127.0.0.1:{port}/"
        try:
            deadline = time.monotonic() + 120
            while "The Space is at" not in printed.read_text() or not answers(address):
                assert space.poll() is None and time.monotonic() < deadline, printed.read_text()
                time.sleep(0.05)
            yield address, printed
        finally:
            space.send_signal(signal.SIGTERM)
            space.wait(30)


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def test_nothing_of_a_visit_is_left(trained: hf_cf.Recommender, tmp_path: Path) -> None:
    model, home = tmp_path / "model", tmp_path / "home"
    trained.save_pretrained(model)
    visitor, film, _, title = MARKS
    ratings = {"Alien (1979)": STARS, f"{title} (1999)": 2}
    good = {
        name: values | ({"ratings": ratings} if "ratings" in values else {})
        for name, values in GOOD.items()
    }
    wrong = {
        "recommend": {"ratings": {film: STARS}},
        "recommend_for_user": {"user": visitor},
        "predict": {"items": [film], "user": visitor},
        "similar": {"item": film},
        "search": {"text": f"{film} {visitor}", "n": "many"},
        "explain": {"item": film, "ratings": ratings},
        "next_questions": {"ratings": ratings, "exclude": [film]},
        "read_list": {"text": f"Name,Rating\n{film},{STARS}\n{title},{STARS}\n{visitor},1\n"},
        "unknown_items": {"items": [film, visitor]},
        "portrait": {"ratings": ratings},
        visitor: {"ratings": ratings},
    }
    with (
        started(model, home) as (address, printed),
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        for name, values in good.items():
            assert client.post(f"api/{name}", json=values).status_code == 200, name
            assert call(client, name, values)[0] == "complete", name
        for name, values in wrong.items():
            assert client.post(f"api/{name}", json=values).status_code < 500, name
        for name in ("recommend", "similar"):
            assert call(client, name, wrong[name])[0] == "error"
        client.post("api/recommend", content=f'{{"ratings": {{"{film}": {STARS}'.encode())
        client.get(f"?user={visitor}&film={film}")
        client.post("gradio_api/upload", files={"files": (f"{visitor}.txt", film.encode())})
        in_session(address, [("recommend", {"ratings": ratings}), ("similar", {"item": film})])
        while_running = found_in(home)
    assert while_running == []
    assert found_in(home) == []
    assert printed.read_text() == f"The Space is at {address}\n"


def found_in(folder: Path) -> list[str]:
    """Where under a folder a mark stands: in names and in contents."""
    return [
        f"{mark} in {path}"
        for path in folder.rglob("*")
        for mark in MARKS
        if mark in path.name or (path.is_file() and mark.encode() in path.read_bytes())
    ]
