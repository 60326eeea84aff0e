"""Chromium and a Space for it, for tests, screenshots and measurements."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, sync_playwright

SYSTEM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, or where there is none the one that Playwright installs."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(args=FLAGS, **_found())
        yield browser
        browser.close()


@contextmanager
def profile(folder: Path) -> Iterator[BrowserContext]:
    """The same with a profile in a folder that allows third-party storage."""
    settings = {"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": False}}
    (folder / "Default").mkdir()
    (folder / "Default" / "Preferences").write_text(json.dumps(settings), "utf-8")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(folder, args=FLAGS, **_found())
        yield context
        context.close()


def _found() -> dict[str, Any]:
    return {"executable_path": SYSTEM} if SYSTEM.exists() else {}
