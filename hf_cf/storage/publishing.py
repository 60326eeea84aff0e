"""A trained model to a folder or to the Hub, and a repository's files into a folder."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from hf_cf.data.whole_writes import temporary_folder
from hf_cf.errors import HubError
from hf_cf.inference.trained_model import TrainedModel
from hf_cf.storage.hub import (
    commit_files,
    download,
    full_name,
    make_branch,
    make_repository,
    table_of_files,
    writer,
)
from hf_cf.storage.hub_errors import reason_of
from hf_cf.storage.model_folder import FILES, files_of, replacing_model
from hf_cf.storage.pictures import with_pictures
from hf_cf.storage.serialization import StoredType, read_model, to_model_folder

if TYPE_CHECKING:
    from huggingface_hub import HfApi


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
    """Publish a model in one commit, which also removes files that it lacks now.

    The address of the model, or of the pull request, is returned.

    Parameters
    ----------
    model : TrainedModel
    repo_id : str
        Such as ``"user/movies"``; created where it does not exist.
    **options
        See `PushOptions`.

    Raises
    ------
    HubError
        Nobody is logged in, the token may not write there, the Hub failed, or somebody else
        changed the branch at the same time. What was there before is whole.
    """
    api = writer(repo_id, options.get("token"))
    contents: Any = {name: options[name] for name in Contents.__annotations__ if name in options}  # type: ignore[literal-required]
    with temporary_folder() as folder:
        to_model_folder(with_pictures(model), repo_id=repo_id, **_contents(model, contents)).write(
            folder
        )
        print(table_of_files(folder, repo_id))
        title = f"{model.scorer.rating.model.name} trained on {model.source.name}"
        return _upload(api, folder, repo_id, options, title)


def _upload(api: HfApi, folder: Path, repo_id: str, options: PushOptions, title: str) -> str:
    """Upload a model folder, with this title where the options give none."""
    revision = options.get("revision")
    try:
        repo_id = full_name(api, repo_id)
        make_repository(api, repo_id, options.get("private"))
        if revision is not None:
            make_branch(api, repo_id, revision)
        proposal = commit_files(
            api, repo_id, files_of(folder), FILES.__contains__,
            message=options.get("commit_message") or title, revision=revision,
            create_pr=options.get("create_pr", False),
        )  # fmt: skip
    except Exception as error:
        reason = reason_of(error, repo_id, revision)
        if reason is None:
            raise
        raise HubError(f"{reason}. Nothing was changed there") from error
    if proposal is not None:
        return proposal
    address = f"{api.endpoint}/{repo_id}"
    return address if revision is None else f"{address}/tree/{revision}"


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
