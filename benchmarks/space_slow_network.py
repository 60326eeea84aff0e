"""When somebody on a slow network sees the Space: its heading, and the first recommendation.

Chromium emulates 400 kbit/s in both directions and 150 ms of latency, on a phone's window and with
nothing in its cache; the model is ``collab_learner``, trained on four fifths of the ratings.

    PYTHONPATH=tests/space python benchmarks/space_slow_network.py ../shared/data/ml-latest-small
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from pathlib import Path

import httpx
import numpy as np
from calling import served
from chromium import chromium

import hf_cf
from hf_cf.space.service import Service
from hf_cf.training import fit

RESULT = Path(__file__).parent / "results" / "space_slow_network.md"
BYTES_A_SECOND, LATENCY, VISITS = 50_000, 150, 9
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def main() -> None:
    """Train, visit, and write the times down."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("data", help="a folder of MovieLens")
    data = parser.parse_args().data
    train, valid = hf_cf.load_ratings(data).split(seed=42)
    service = Service(fit(train, valid, "collab_learner"))
    service.prepare()
    painted, cards = [], []
    with served(service) as address, chromium() as browser:
        sent = httpx.get(address, headers={"accept-encoding": "gzip"}).headers["content-length"]
        for _ in range(VISITS):
            context = browser.new_context(viewport={"width": 390, "height": 844})
            page = context.new_page()
            network = context.new_cdp_session(page)
            network.send("Network.enable")
            network.send(
                "Network.emulateNetworkConditions",
                {
                    "offline": False,
                    "latency": LATENCY,
                    "downloadThroughput": BYTES_A_SECOND,
                    "uploadThroughput": BYTES_A_SECOND,
                },
            )
            started = time.perf_counter()
            page.goto(address, wait_until="commit")
            page.locator("#discover .card").first.wait_for()
            cards.append(time.perf_counter() - started)
            painted.append(page.evaluate(PAINTED) / 1000)
            context.close()
        version = browser.version
    lines = [
        f"| {name} | {np.median(times):.2f} | {min(times):.2f} to {max(times):.2f} |"
        for name, times in {"heading": painted, "first recommendation": cards}.items()
    ]
    text = (
        f"# The Space at 400 kbit/s\n\n{VISITS} visits with {LATENCY} ms of latency, see "
        "`benchmarks/space_slow_network.py`; seconds from the request. The document has "
        f"{int(sent) / 1000:.0f} KB, packed.\n\n| seen | median, s | all, s |\n|---|---|---|\n"
        + "\n".join(lines)
        + f"\n\n{os.cpu_count()} cores, {platform.machine()}, Chromium {version}; load average "
        f"{os.getloadavg()[0]:.1f}.\n"
    )
    print(text)
    RESULT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
