"""A trained model to a folder or to the Hub, and a repository's files into a folder."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any, TypedDict, Unpack

from hf_cf.data.whole_writes import temporary_folder
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.storage.hub import download, table_of_files, upload, writing_token
from hf_cf.storage.model_folder import FILES, replacing_model
from hf_cf.storage.pictures import with_pictures
from hf_cf.storage.serialization import StoredType, read_model, to_model_folder


class Contents(TypedDict, total=False):
    """What is kept of a model.

    Attributes
    ----------
    include_history : bool, optional
        Whether to keep who rated what, for leaving out what a user has seen, and what was held
        out. Where not given, both are kept if the data may be redistributed.
    include_users : bool
        Whether to keep the known users; without them the model serves visitors only.
    dtype : {"float32", "float16"}
        How numbers are stored; float16 halves the tables of users and items.
    """

    include_history: bool | None
    include_users: bool
    dtype: StoredType


class PushOptions(Contents, total=False):
    """How a model is published.

    Attributes
    ----------
    private : bool, optional
        Whether a new repository is private; the account's default where not given.
    revision : str, optional
        The branch; created where it does not exist.
    create_pr : bool
        Whether to open a pull request instead of writing to the branch.
    commit_message : str, optional
        Title of the commit.
    token : str, optional
        With write access; the one of ``hf auth login`` where not given.
    """

    private: bool | None
    revision: str | None
    create_pr: bool
    commit_message: str | None
    token: str | None


def save_model(
    model: TrainedModel, folder: str | Path, **contents: Unpack[Contents]
) -> TrainedModel:
    """Write a model folder, and return the model with the pictures of its card."""
    model = with_pictures(model)
    to_model_folder(model, **_contents(model, contents)).write(folder)
    return model


def push_model(model: TrainedModel, repo_id: str, **options: Unpack[PushOptions]) -> str:
    """Publish a model in one commit, and return its address; see `PushOptions`.

    Raises
    ------
    HubError
        Nobody is logged in, the token may not write there, or the Hub failed. What was there
        before is whole.
    """
    token = writing_token(repo_id, options.get("token"))
    contents: Any = {name: options[name] for name in Contents.__annotations__ if name in options}  # type: ignore[literal-required]
    with temporary_folder() as folder:
        to_model_folder(with_pictures(model), repo_id=repo_id, **_contents(model, contents)).write(
            folder
        )
        print(table_of_files(folder, repo_id))
        name = model.scorer.rating.model.name
        return upload(
            folder, repo_id,
            private=options.get("private"), revision=options.get("revision"),
            create_pr=options.get("create_pr", False),
            message=options.get("commit_message") or f"{name} trained on {model.source.name}",
            token=token,
        )  # fmt: skip


def push_folder(folder: str | Path, repo_id: str, **options: Unpack[PushOptions]) -> str:
    """Publish the model in a folder, after having read and checked it; see `push_model`.

    Raises
    ------
    ModelFormatError
        The folder does not hold a model.
    HubError
        As `push_model` says.
    """
    return push_model(read_model(folder), repo_id, **options)


def pull(repo_id: str, folder: str | Path, *, revision: str | None = None) -> TrainedModel:
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
    TrainedModel

    Raises
    ------
    ModelFormatError
        The repository does not hold a model; the folder is as it was.
    HubError
        The Hub does not have it or does not give it, or cannot be reached.
    SaveError
        The disk is full or the folder may not be written to; the folder is as it was.
    """
    cached, folder = download(repo_id, revision=revision), Path(folder)
    model = read_model(cached)
    with replacing_model(folder) as place:
        for name in FILES:
            if (cached / name).is_file():
                shutil.copyfile(cached / name, place / name)
    return model


def _contents(model: TrainedModel, contents: Contents) -> dict[str, Any]:
    """What is asked for, with the history as the licence allows where nothing is said of it."""
    include_users = contents.get("include_users", True)
    wanted = contents.get("include_history")
    if wanted is None and model.history is not None and include_users:
        wanted = model.source.redistributable
        if not wanted:
            warnings.warn(
                f"the licence of {model.source.name} does not allow passing its ratings on, so "
                "who rated what, history.parquet and held_out.parquet, is left out; "
                "include_history=True keeps it, for your own use",
                stacklevel=4,
            )
    return {
        "include_history": bool(wanted) and include_users,
        "include_users": include_users,
        "dtype": contents.get("dtype", "float32"),
    }
