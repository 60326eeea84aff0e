"""What the site adds to docs/: pages from the repository's root, links to what is no page."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_PAGES = {
    "index.md": "README.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, with links as they are from docs/."""
    root = Path(config.docs_dir).parent
    for name, source in _PAGES.items():
        text = re.sub(
            r"(\]\(|src=\")(?!https?:|#|docs/)", r"\1../", (root / source).read_text("utf-8")
        )
        text = text.replace("](docs/", "](").replace('src="docs/', 'src="')
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to files outside of docs/ lead to the repository."""
    return re.sub(r"\]\(\.\./", f"]({config.repo_url}/blob/main/", markdown)
