"""The files of a Hugging Face Space that serves a model: an app, this package, what both need.

``app.py``, ``README.md`` and ``requirements.txt`` are in ``space/`` at the root of the repository;
the README is a template. A Space holds the package itself, so that it runs what it was made with.
"""

from __future__ import annotations

import re
from pathlib import Path

import hf_cf
from hf_cf.data.whole_writes import replacing_together, saving
from hf_cf.storage.card import fill
from hf_cf.storage.templates import card_template, space_template

MODEL_VARIABLE = "HF_CF_MODEL"
"""The environment variable from which a Space takes its model."""

_PACKAGE = Path(hf_cf.__file__).parent
_README = "README.md"


def space_files(name: str | None = None, model: str | None = None) -> dict[str, bytes]:
    """Make the files of a Space.

    Parameters
    ----------
    name : str, optional
        Of the Space, such as ``"user/movie-night"``; its title is made of it.
    model : str, optional
        The model on the Hub that it serves, such as ``"user/movies"`` or ``"user/movies@v1"``.

    Returns
    -------
    dict of str to bytes
        Contents by their paths in the Space.
    """
    last = (name or model or "").partition("@")[0].rpartition("/")[2]
    title = re.sub(r"[\W_]+", " ", last).strip() or "what to try next"
    values = {
        "title": title[0].upper() + title[1:],
        "model": model,
        "model_id": model.partition("@")[0] if model else None,
        "no_model": None if model else "yes",
        "example": model or "user/movies",
        "version": hf_cf.__version__,
    }
    files = {path.name: path.read_bytes() for path in _of_ours(space_template())}
    files[_README] = fill(files[_README].decode(), values).encode()
    for path in _of_ours(_PACKAGE):
        if space_template() not in path.parents:
            files[path.relative_to(_PACKAGE.parent).as_posix()] = path.read_bytes()
    return files | {f"{_PACKAGE.name}/model_card.md": card_template().read_bytes()}


def is_ours(path: str) -> bool:
    """Whether a file of a Space is of this package; one that it lacks now may be removed."""
    return path.startswith(f"{_PACKAGE.name}/")


def export_space(folder: str | Path, model: str | None = None) -> list[str]:
    """Write the files of a Space into a folder; those of an earlier export are replaced.

    Parameters
    ----------
    folder : str or Path
        New, empty, or a Space's: of an earlier export, or a clone of one on the Hub.
    model : str, optional
        The model on the Hub that it serves.

    Returns
    -------
    list of str
        The paths of the files.

    Raises
    ------
    ValueError
        The folder holds something else.
    SaveError
        The disk is full or the folder may not be written to; the folder is as it was.
    """
    folder = Path(folder).expanduser()
    with saving(folder):
        if folder.is_file():
            raise ValueError(f"{folder} is a file; give a folder for the files of the Space")
        if folder.is_dir() and any(folder.iterdir()) and not _is_space(folder):
            raise ValueError(
                f"{folder} holds something else than a Gradio Space, and nothing was written "
                "there; give a new folder"
            )
        old = [path.relative_to(folder).as_posix() for path in _of_ours(folder / _PACKAGE.name)]
    files = space_files(folder.resolve().name, model)
    with replacing_together(folder, "space", old) as place:
        for name, content in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
    return list(files)


def _of_ours(folder: Path) -> list[Path]:
    """Find the files in a folder that somebody wrote: none that Python or an editor left there."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not any(
            part[0] == "." or part == "__pycache__" for part in path.relative_to(folder).parts
        )
    )


def _is_space(folder: Path) -> bool:
    readme = folder / _README
    return readme.is_file() and "\nsdk: gradio\n" in readme.read_text("utf-8", errors="replace")
