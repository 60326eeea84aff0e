"""Time from a click on a star to recommendations on the page, in a browser.

The model is ``collab_learner``, trained on four fifths of MovieLens 100K. The clock is the
browser's: from the click's own timestamp to the first frame that is drawn after the new cards
stand on the page. Next to it, in the same run, stands what the server needs for the same answers.

    PYTHONPATH=tests/space python benchmarks/space_browser.py ../shared/data/ml-100k
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np
from calling import served
from chromium import chromium
from playwright.sync_api import Page, expect

import hf_cf
from hf_cf.space.service import Service
from hf_cf.training import fit

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "space_browser.md"
WARM_UP, CLICKS = 5, 40

MEASURE = """
() => {
  window.waits = [];
  const picks = document.querySelector("#discover .picks");
  let clicked = null;
  document.addEventListener("click", (event) => {
    if (event.target.closest(".stars-input")) clicked = event.timeStamp;
  }, true);
  new MutationObserver(() => {
    if (clicked === null) return;
    const since = clicked;
    clicked = null;
    requestAnimationFrame(() => setTimeout(() => window.waits.push(performance.now() - since)));
  }).observe(picks, { attributeFilter: ["data-updates"] });
}
"""


def clicked(page: Page) -> list[float]:
    """Milliseconds from each click to the recommendations; films come from the questions."""
    page.evaluate(MEASURE)
    stars = page.locator(".deck .stars-input")
    for click in range(WARM_UP + CLICKS):
        box = stars.bounding_box()
        assert box
        title = page.locator(".deck .poster-title").inner_text()
        share = (0.98, 0.78, 0.58, 0.98, 0.38)[click % 5]
        stars.click(position={"x": box["width"] * share, "y": box["height"] / 2})
        page.wait_for_function(f"window.waits.length > {click}")
        expect(page.locator(".deck .poster-title")).not_to_have_text(title)
    return page.evaluate("window.waits")[WARM_UP:]


def answered(service: Service, page: Page) -> list[float]:
    """Milliseconds that the service needs for the first to last of the same lists."""
    rated = page.evaluate("hfcf.visitor.asRatings()")[::-1]
    times = []
    for count in range(WARM_UP, len(rated)):
        start = time.perf_counter()
        service.recommend(rated[: count + 1])
        times.append(1000 * (time.perf_counter() - start))
    return times


def main() -> None:
    """Train, click, and add a line to the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("data", help="the folder of MovieLens 100K")
    data = parser.parse_args().data
    train, valid = hf_cf.load_ratings(data).split(seed=42)
    service = Service(fit(train, valid, "collab_learner"))
    with served(service) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        expect(page.locator("#discover .card").first).to_be_visible()
        waits = clicked(page)
        inside = answered(service, page)
        version = browser.version
    load = os.getloadavg()[0]
    low, median, high = np.percentile(waits, [5, 50, 95])
    line = (
        f"| {date.today()} | {len(waits)} | {median:.0f} | {low:.0f} to {high:.0f} | "
        f"{np.median(inside):.0f} | {load:.1f} | {os.cpu_count()} cores, "
        f"{platform.machine()}, Chromium {version} |\n"
    )
    if not RESULTS.exists():
        RESULTS.write_text(HEAD, "utf-8")
    with RESULTS.open("a", encoding="utf-8") as results:
        results.write(line)
    print(HEAD.rsplit("\n\n", maxsplit=1)[-1] + line)


HEAD = f"""# From a click on a star to recommendations

`python benchmarks/space_browser.py FOLDER`: a visitor answers {CLICKS} questions of the page after
{WARM_UP} to warm up, one after the other, so that the list grows to {WARM_UP + CLICKS} ratings.
Milliseconds in the browser from the click to the frame that shows the new cards; the bar is a
median of 300. "Service" is the median of what computing the same answers takes by itself. The load
of the machine (1 minute) is that of everything on it.

| date | clicks | median, ms | 5% to 95%, ms | service, ms | load | machine |
|---|---|---|---|---|---|---|
"""


if __name__ == "__main__":
    main()
