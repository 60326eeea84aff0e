"""Publishing from the command line: a model's folder to the Hub, a model's files to a folder."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hf_cf.hub import download
from hf_cf.model_folder import CONFIG, FILES, replacing
from hf_cf.recommender import Recommender


def push(folder: str | Path, repo_id: str, **options: Any) -> str:
    """Publish the model in a folder, after having read and checked it.

    Parameters
    ----------
    folder : str or Path
        Written by ``save_pretrained`` or ``hf-cf train``.
    repo_id : str
        Such as ``"user/movies"``.
    **options
        As in `Recommender.push_to_hub`.

    Returns
    -------
    str
        Address of the model, or of the pull request.

    Raises
    ------
    ModelFormatError
        The folder does not hold a model.
    HubError
        Nobody is logged in, the token may not write there, or the Hub failed.
    """
    return Recommender.from_pretrained(Path(folder)).push_to_hub(repo_id, **options)


def pull(repo_id: str, folder: str | Path, *, revision: str | None = None) -> Recommender:
    """Copy a model from the Hub into a folder, byte for byte, after having read and checked it.

    Parameters
    ----------
    repo_id : str
        Such as ``"user/movies"``.
    folder : str or Path
        Created where it does not exist; a model that is there is replaced.
    revision : str, optional
        Branch, tag or commit; the main branch where not given.

    Returns
    -------
    Recommender
        The model.

    Raises
    ------
    ModelFormatError
        The repository does not hold a model; the folder is as it was.
    HubError
        The Hub does not have it or does not give it, or cannot be reached.
    """
    cached, folder = download(repo_id, revision=revision), Path(folder)
    model = Recommender.from_pretrained(cached)
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in FILES if (cached / name).is_file()]
    with ExitStack() as places:
        # Left in reverse order, so that the config takes its place after all others.
        for name in sorted(names, key=lambda name: name != CONFIG):
            shutil.copyfile(cached / name, places.enter_context(replacing(folder / name)))
    for name in FILES.keys() - set(names):
        (folder / name).unlink(missing_ok=True)
    return model
