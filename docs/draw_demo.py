"""Draw the README's picture: what ``hf-cf recommend`` prints for a visitor, as an SVG.

Run from the repository root after ``make demo``: ``python docs/draw_demo.py``.
"""

from pathlib import Path

from rich.console import Console
from rich.text import Text

import hf_cf
from hf_cf.cli.tables import draw

IMAGE = Path(__file__).parent / "images" / "demo.svg"
RATED = {"Alien (1979)": 5, "Blade Runner (1982)": 4, "Notting Hill (1999)": 2}


def main() -> None:
    """Load the demo's model, recommend, and export the terminal."""
    rec = hf_cf.Recommender.from_pretrained("models/sample")
    console = Console(record=True, width=76, force_terminal=True)
    flags = " \\\n    ".join(f'--rate "{title}" {stars}' for title, stars in RATED.items())
    console.print(Text(f"$ hf-cf recommend --model models/sample -n 6 \\\n    {flags}", "bold"))
    console.print(draw(rec.recommend(ratings=RATED, n=6), "Recommended"))
    IMAGE.parent.mkdir(exist_ok=True)
    console.save_svg(str(IMAGE), title="synthetic ratings of real films")


if __name__ == "__main__":
    main()
