"""Chromium and a Space for it, for tests, screenshots and measurements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

SYSTEM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, or where there is none the one that Playwright installs."""
    with sync_playwright() as playwright:
        found: dict[str, Any] = {"executable_path": SYSTEM} if SYSTEM.exists() else {}
        browser = playwright.chromium.launch(args=FLAGS, **found)
        yield browser
        browser.close()
