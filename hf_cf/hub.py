"""Model folders from the Hugging Face Hub and to it.

``huggingface_hub`` does the talking: cache, parallel and resumed downloads, LFS and Xet. Here is
what it leaves open: which files, what is tried again, and errors that say what to do. It is
imported when it is needed, so that loading a local folder does not wait for it.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_cf.errors import HubError
from hf_cf.hub_errors import may_pass, named, reason_of, tried
from hf_cf.model_folder import FILES

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_REPO_ID = re.compile(r"(?=.{1,96}$)(?:[\w-][\w.-]*/)?[\w-][\w.-]*", re.ASCII)
_NO_TOKEN = (
    "nobody is logged in to the Hugging Face Hub. Make a token with write access at "
    "https://huggingface.co/settings/tokens, then run `hf auth login`, set the environment "
    "variable HF_TOKEN, or pass token="
)

_PRIVATE = ("history.parquet",)


def local_folder(folder_or_repo: str | Path, **download_options: Any) -> Path:
    """Find the folder of a model: the local one of that name, or a download of the repository.

    Raises
    ------
    HubError
        There is neither.
    """
    folder = Path(folder_or_repo).expanduser()
    name = str(folder_or_repo)
    # A mistyped path is no question to the Hub, whatever the folder's name looks like.
    if isinstance(folder_or_repo, Path) or folder.is_dir() or not is_repo_id(name):
        return folder
    return download(name, **download_options)


def is_repo_id(name: str) -> bool:
    """Whether the Hub could have a repository of this name: ``movies`` or ``user/movies``."""
    return _REPO_ID.fullmatch(name) is not None and ".." not in name and "--" not in name


def download(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> Path:
    """Download a model, as far as it is not in the cache, and return its folder there.

    When the Hub cannot be reached, the copy in the cache is used, and a warning says so.

    Parameters
    ----------
    repo_id : str
        Such as ``"user/movies"``.
    revision : str, optional
        Branch, tag or commit; the main branch where not given.
    token : str or bool, optional
        For private repositories; the one of ``hf auth login`` where not given, none if False.
    cache_dir : str or Path, optional
        The cache; that of ``huggingface_hub`` where not given.
    local_files_only : bool
        Whether the Hub is not to be asked.
    force_download : bool
        Whether files are downloaded although they are in the cache.

    Raises
    ------
    HubError
        The Hub does not have it or does not give it, or cannot be reached and it is not cached.
    """
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    options: dict[str, Any] = {
        "repo_id": repo_id,
        "revision": revision,
        "token": token,
        "cache_dir": cache_dir,
        "allow_patterns": list(FILES),
        "library_name": "hf_cf",
    }

    def from_cache() -> Path:
        return Path(snapshot_download(**options, local_files_only=True))

    if local_files_only or constants.HF_HUB_OFFLINE:
        try:
            return from_cache()
        except LocalEntryNotFoundError as error:
            raise HubError(
                f"{named(repo_id, revision)} is not in the cache, and the Hub may not be asked "
                "(local_files_only, or HF_HUB_OFFLINE=1)"
            ) from error
    try:
        # Asked first, because a snapshot falls back to the cache without a word.
        head = tried(lambda: HfApi(token=token).model_info(repo_id, revision=revision))
        with contextlib.suppress(LocalEntryNotFoundError):
            if not force_download and from_cache().name == head.sha:
                return from_cache()
        return Path(tried(lambda: snapshot_download(**options, force_download=force_download)))
    except Exception as error:
        reason = reason_of(error, repo_id, revision)
        if reason is None:
            raise
        if may_pass(error) and not force_download:
            try:
                folder = from_cache()
            except LocalEntryNotFoundError:
                pass
            else:
                warnings.warn(
                    f"{reason}; the copy in the cache is used (commit {folder.name[:8]})",
                    stacklevel=4,
                )
                return folder
        raise HubError(reason) from error


def writing_token(repo_id: str, token: str | None) -> str:
    """Return the token to write with: the given one, or that of ``hf auth login``.

    Raises
    ------
    ValueError
        No repository can have this name.
    HubError
        Nobody is logged in.
    """
    from huggingface_hub import get_token

    if not is_repo_id(repo_id):
        raise ValueError(f'{repo_id!r} is no name of a repository; expected "user/name"')
    token = token or get_token()
    if token is None:
        raise HubError(_NO_TOKEN)
    return token


def table_of_files(folder: Path, repo_id: str) -> str:
    """Say which files of a model folder go to a repository, how large, and what they hold."""
    sizes = {name: (folder / name).stat().st_size for name in FILES if (folder / name).is_file()}
    lines = [f"To {repo_id}:"]
    lines += [f"  {name:20} {_readable(size):>9}  {FILES[name]}" for name, size in sizes.items()]
    lines.append(f"  {'together':20} {_readable(sum(sizes.values())):>9}")
    lines += [f"  {name:20} {'-':>9}  left out" for name in _PRIVATE if name not in sizes]
    return "\n".join(lines)


def _readable(size: int) -> str:
    for unit, bytes_in_unit in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_in_unit:
            return f"{size / bytes_in_unit:.1f} {unit}"
    return f"{size} B"


def upload(
    folder: Path,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    message: str,
    token: str | None = None,
) -> str:
    """Upload a model folder in one commit, which also removes files that the model lacks now.

    Parameters
    ----------
    folder : Path
        Written by ``save_pretrained``.
    repo_id : str
        Such as ``"user/movies"``; created where it does not exist.
    private : bool, optional
        Whether a new repository is private; the account's default where not given.
    revision : str, optional
        The branch; created from the main branch where it does not exist.
    create_pr : bool
        Whether to open a pull request instead of writing to the branch.
    message : str
        Title of the commit.
    token : str, optional
        With write access; the one of ``hf auth login`` where not given.

    Returns
    -------
    str
        Address of the model, or of the pull request.

    Raises
    ------
    HubError
        Nobody is logged in, the token may not write there, the Hub failed, or somebody else
        changed the branch at the same time. What was there before is whole.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api = HfApi(token=writing_token(repo_id, token), library_name="hf_cf")
    try:
        if "/" not in repo_id:
            repo_id = f"{tried(api.whoami)['name']}/{repo_id}"
        _make_repository(api, repo_id, private)
        if revision is not None:
            _make_branch(api, repo_id, revision)
        head = tried(lambda: api.model_info(repo_id, revision=revision))
        files = {name: folder / name for name in FILES if (folder / name).is_file()}
        there = {file.rfilename for file in head.siblings or ()}
        operations = [CommitOperationAdd(name, path) for name, path in files.items()]
        stale = [CommitOperationDelete(name) for name in FILES if name in there - files.keys()]
        with warnings.catch_warnings():
            # The client takes a table for a data set that went astray.
            warnings.filterwarnings("ignore", "It seems that you are about to commit a data file")
            commit = api.create_commit(
                repo_id,
                [*operations, *stale],
                commit_message=message,
                revision=revision,
                create_pr=create_pr,
                # On the branch, this refuses to write over what somebody else has just written.
                parent_commit=None if create_pr else head.sha,
            )
    except Exception as error:
        reason = reason_of(error, repo_id, revision)
        if reason is None:
            raise
        raise HubError(f"{reason}. Nothing was changed there") from error
    if commit.pr_url is not None:
        return commit.pr_url
    address = f"{api.endpoint}/{repo_id}"
    return address if revision is None else f"{address}/tree/{revision}"


def _make_repository(api: HfApi, repo_id: str, private: bool | None) -> None:
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = tried(lambda: api.model_info(repo_id))
    except RepositoryNotFoundError:
        api.create_repo(repo_id, private=private, exist_ok=True)
        return
    if private and info.private is False:
        raise HubError(
            f"{repo_id} exists and is public, so nothing was uploaded; make it private in its "
            "settings, or leave --private (private=True) out"
        )


def _make_branch(api: HfApi, repo_id: str, revision: str) -> None:
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        tried(lambda: api.model_info(repo_id, revision=revision))
    except RevisionNotFoundError:
        api.create_branch(repo_id, branch=revision, exist_ok=True)
