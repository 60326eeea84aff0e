"""Firefox by WebDriver BiDi, which it speaks by itself: no driver stands in between."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from websockets.sync.client import ClientConnection, connect

SECONDS = 60
_ADDRESS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")


class Tab:
    """A tab of Firefox.

    Attributes
    ----------
    said : list of str
        Errors on the console, and errors that nothing caught.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._ids = socket, itertools.count(1)
        self.said: list[str] = []
        self._ask("session.new", capabilities={})
        self._ask("session.subscribe", events=["log.entryAdded"])
        self._context = self._ask("browsingContext.getTree")["contexts"][0]["context"]

    def resize(self, width: int, height: int) -> None:
        """Set the size of what is seen."""
        size = {"width": width, "height": height}
        self._ask("browsingContext.setViewport", context=self._context, viewport=size)

    def open(self, address: str) -> None:
        """Go to an address and wait until it has loaded."""
        self._ask("browsingContext.navigate", context=self._context, url=address, wait="complete")

    def reload(self) -> None:
        """Load the page again."""
        self._ask("browsingContext.reload", context=self._context, wait="complete")

    def value(self, expression: str) -> Any:
        """The value of an expression of numbers, texts, booleans, or lists of them."""
        found = self._ask(
            "script.evaluate",
            expression=f"JSON.stringify({expression})",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert found["type"] == "success", found
        text = found["result"].get("value")
        return None if text is None else json.loads(text)

    def wait_for(self, expression: str) -> Any:
        """Wait until an expression is true, and return its value."""
        for _ in range(SECONDS * 10):
            found = self.value(expression)
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(f"in {SECONDS} seconds it was never true that {expression}")

    def click(self, selector: str, share: float = 0.5) -> None:
        """Click an element, `share` of its width from the left."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.wait_for(f"{element} !== null")
        self.value(f"({element}.scrollIntoView({{ block: 'center' }}), 1)")
        box = self.value(f"{element}.getBoundingClientRect()")
        x, y = box["x"] + share * box["width"], box["y"] + box["height"] / 2
        move = {"type": "pointerMove", "x": round(x), "y": round(y)}
        press, release = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        self._perform("pointer", [move, press, release])

    def type(self, text: str) -> None:
        """Type on the keyboard; "\\ue007" is Enter."""
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        self._perform("key", keys)

    def _perform(self, kind: str, actions: list[dict[str, Any]]) -> None:
        source = {"type": kind, "id": kind, "actions": actions}
        self._ask("input.performActions", context=self._context, actions=[source])

    def _ask(self, method: str, **params: Any) -> Any:
        own = next(self._ids)
        self._socket.send(json.dumps({"id": own, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(SECONDS))
            if answer.get("method") == "log.entryAdded":
                entry = answer["params"]
                if entry["level"] == "error":
                    self.said.append(entry["text"])
            elif answer.get("id") == own:
                assert answer["type"] == "success", answer
                return answer["result"]


@contextmanager
def firefox() -> Iterator[Tab]:
    """A Firefox without a window, of the system or the one that Playwright brings."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        with sync_playwright() as playwright:
            program = playwright.firefox.executable_path
    with tempfile.TemporaryDirectory(prefix="hf_cf_firefox_") as profile:
        said = Path(profile) / "said.txt"
        with said.open("w") as file:
            running = subprocess.Popen(
                [program, "--headless", "--remote-debugging-port=0", "--profile", profile],
                stdout=subprocess.DEVNULL, stderr=file,
            )  # fmt: skip
        try:
            with connect(f"{_listening(said)}/session", max_size=None) as socket:
                yield Tab(socket)
        finally:
            running.terminate()
            running.wait(30)


def _listening(said: Path) -> str:
    for _ in range(SECONDS * 10):
        found = _ADDRESS.search(said.read_text("utf-8", errors="replace"))
        if found:
            return found[1]
        time.sleep(0.1)
    raise AssertionError(f"Firefox does not listen: {said.read_text('utf-8', errors='replace')}")
