"""The Space in a frame of another site, as the Hub shows it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from calling import free_port
from chromium import chromium, profile
from playwright.sync_api import Browser, expect


@contextmanager
def framing(address: str) -> Iterator[str]:
    """A page on `localhost` that frames the Space on `127.0.0.1`, which is another site."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            frame = f'<iframe src="{address}" width="1200" height="800"></iframe>'
            self.wfile.write(f"<!doctype html><title>Outside</title>{frame}".encode())

        def log_message(self, *values: object) -> None:
            pass

    outside = ThreadingHTTPServer(("127.0.0.1", free_port()), Page)
    thread = threading.Thread(target=outside.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{outside.server_port}/"
    finally:
        outside.shutdown()
        thread.join()


# Chromium blocks third-party storage in a private window, which is what Playwright's contexts are,
# and allows it in a profile that is kept.
@pytest.mark.parametrize("blocked", [True, False], ids=["blocked", "allowed"])
def test_in_a_frame_of_another_site(space: str, blocked: bool, tmp_path: Path) -> None:
    with framing(space) as outside, chromium() if blocked else profile(tmp_path) as browser:
        context = browser.new_context() if isinstance(browser, Browser) else browser
        page = context.new_page()
        page.goto(outside)
        read = "try { String(localStorage.length) } catch (error) { error.name }"
        found = page.frames[1].evaluate(read)
        assert (found == "SecurityError") == blocked
        frame = page.frame_locator("iframe")
        expect(frame.locator("#discover .card")).to_have_count(12)
        frame.locator(".deck input").press("5")
        expect(frame.locator(".rated > .film-list .film-row")).to_have_count(1)
        note = frame.get_by_text("This browser keeps nothing for a page inside another one")
        if not blocked:
            expect(note).to_be_hidden()
            return
        expect(note).to_be_visible()
        # The link takes the list along.
        with context.expect_page() as opening:
            frame.get_by_role("link", name="Open in a tab").click()
        tab = opening.value
        tab.get_by_role("button", name="Use this list").click()
        expect(tab.locator(".rated > .film-list .film-row")).to_have_count(1)
        expect(tab.get_by_text("This browser keeps nothing")).to_be_hidden()
