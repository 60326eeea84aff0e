"""Draw the pictures of the Space: films, books and artists, desktop and phone, light and dark.

Run from the repository root by ``make screenshots``, which trains the sample's model first. All of
it is synthetic; see `space_samples`.
"""

from collections.abc import Callable
from pathlib import Path

from calling import served
from chromium import chromium
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from space_samples import books, composers

from hf_cf import Ratings, Recommender
from hf_cf.space.front_page import PREVIEW
from hf_cf.space.service import Service
from hf_cf.training import fit

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")
GIVEN = {
    "films": {"The Matrix": "5", "Spirited Away": "5", "Amelie": "4", "Titanic": "2"},
    "books": {"Frankenstein": "9", "The Time Machine": "8", "Emma": "4"},
    "artists": {"Clara Schumann": "Enter", "Claude Debussy": "Enter", "Erik Satie": "Enter"},
}
"""What is searched for, and the key that rates or likes it."""


def main() -> None:
    """Rate the same on all of them, and take the pictures."""
    sample = Recommender.from_pretrained(ROOT / "models" / "sample")
    services = {
        "films": Service(sample),
        "books": Service(_trained(books, model="als")),
        "artists": Service(_trained(composers)),
    }
    IMAGES.mkdir(exist_ok=True)
    with chromium() as browser:
        for kind, service in services.items():
            with served(service) as address:
                for size in SIZES:
                    for scheme in SCHEMES:
                        _draw(browser, address, kind, size, scheme)


def _trained(data: Callable[[], Ratings], **settings: str) -> Recommender:
    train, valid = data().split(seed=0)
    return fit(train, valid, progress=False, **settings)


def _draw(browser: Browser, address: str, kind: str, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    is_phone = size == "phone"
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme,
        is_mobile=is_phone, has_touch=is_phone,
    )  # fmt: skip
    page = context.new_page()
    page.goto(address)
    _rate(page, GIVEN[kind])
    if is_phone:
        page.locator(".picks-head").evaluate("it => it.scrollIntoView()")
    page.wait_for_timeout(500)
    path = IMAGES / f"space_{kind}_{size}_{scheme}.png"
    path.write_bytes(page.screenshot())
    _shrink(path, 256)
    if (kind, size, scheme) == ("films", "desktop", "light"):
        _draw_preview(page)
    context.close()


def _shrink(path: Path, colours: int) -> None:
    picture = Image.open(path).convert("RGB")
    # By area alone, the few orange stars would come out brown.
    picture.quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE).save(
        path, optimize=True
    )


def _draw_preview(page: Page) -> None:
    """The picture that links to a Space are shown with: colours alone, for whatever it serves."""
    page.set_viewport_size({"width": 1200, "height": 630})
    page.evaluate(
        """() => {
          const posters = [...document.querySelectorAll("#discover .card .poster")].slice(0, 12);
          posters.forEach((poster) => poster.replaceChildren());
          const frame = document.getElementById("hf-cf");
          frame.replaceChildren(...posters);
          frame.style.cssText = "display: grid; grid-template-columns: repeat(4, 1fr); gap: 22px;"
            + "padding: 26px; height: 630px; min-height: 0; max-width: none";
          posters.forEach((poster) => { poster.style.borderRadius = "18px"; });
          document.querySelector("gradio-app").remove();
        }"""
    )
    path = ROOT / "hf_cf" / "space" / PREVIEW
    path.write_bytes(page.screenshot())
    _shrink(path, 128)


def _rate(page: Page, given: dict[str, str]) -> None:
    expect(page.locator("#discover .card").first).to_be_visible()
    search = page.locator("#discover input[type=search]")
    for title, key in given.items():
        search.fill(title)
        search.press("Enter")
        expect(page.locator("#discover .found :focus")).to_be_visible()
        page.keyboard.press(key)
        expect(page.locator(".rated .film-row").first).to_contain_text(title)
    page.keyboard.press("Escape")
    expect(page.locator("#toasts .toast")).to_have_count(0, timeout=20_000)
    page.locator("body").click(position={"x": 5, "y": 5})


if __name__ == "__main__":
    main()
