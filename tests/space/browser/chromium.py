"""Chromium and a Space for it, for tests, screenshots and measurements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from hf_cf.space.app import build
from hf_cf.space.service import Service
from hf_cf.space.serving import serve

SYSTEM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def serving(service: Service | Exception, port: int | None = None) -> Iterator[str]:
    """Serve a model on a free port, or the given one; gives the address."""
    demo = build(service)
    _, address, _ = serve(demo, server_port=port, prevent_thread_lock=True, quiet=True)
    try:
        yield address
    finally:
        demo.close(verbose=False)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, or where there is none the one that Playwright installs."""
    with sync_playwright() as playwright:
        found: dict[str, Any] = {"executable_path": SYSTEM} if SYSTEM.exists() else {}
        browser = playwright.chromium.launch(args=FLAGS, **found)
        yield browser
        browser.close()
