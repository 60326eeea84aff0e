"""Draw the README's pictures of the Space, on a desktop and on a phone.

Run from the repository root by ``make screenshots``, which trains the sample's model first.
"""

from pathlib import Path

from calling import served
from chromium import chromium
from PIL import Image
from playwright.sync_api import Page, expect

from hf_cf import Recommender
from hf_cf.space.front_page import PREVIEW
from hf_cf.space.service import Service

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
RATED = {"The Matrix": 5, "Spirited Away": 5, "Amelie": 4, "Titanic": 2}


def main() -> None:
    """Rate the same films on both, and take the pictures."""
    service = Service(Recommender.from_pretrained(ROOT / "models" / "sample"))
    IMAGES.mkdir(exist_ok=True)
    with served(service) as address, chromium() as browser:
        for name, options in {
            "desktop": {"viewport": {"width": 1440, "height": 1000}},
            "phone": {
                "viewport": {"width": 390, "height": 844},
                "color_scheme": "dark",
            },
        }.items():
            context = browser.new_context(**options)
            page = context.new_page()
            page.goto(address)
            _rate(page)
            if name == "phone":
                page.locator(".picks-head").evaluate("it => it.scrollIntoView()")
            page.wait_for_timeout(500)
            path = IMAGES / f"space_{name}.png"
            page.screenshot(path=path)
            Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(path)
            if name == "desktop":
                _draw_preview(page)
            context.close()


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
    Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=96).save(path)


def _rate(page: Page) -> None:
    for title, stars in RATED.items():
        page.get_by_label("Search for a film to rate").fill(title)
        found = page.locator("#discover .found")
        found.get_by_label(f"Your rating of {title}", exact=True).press(str(stars))
        expect(page.locator(".rated .film-row").first).to_contain_text(title)
    page.keyboard.press("Escape")
    expect(page.locator("#toasts .toast")).to_have_count(0, timeout=20_000)
    page.locator("body").click(position={"x": 5, "y": 5})


if __name__ == "__main__":
    main()
