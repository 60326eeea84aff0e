"""Model folders from the Hugging Face Hub and to it.

``huggingface_hub`` does the talking: cache, parallel and resumed downloads, LFS and Xet. Here is
what it leaves open: which files, what is tried again, and errors that say what to do. It is
imported when it is needed, so that loading a local folder does not wait for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from hf_cf.errors import HubError
from hf_cf.storage.hub_errors import LONGEST_WAIT, is_conflict, may_pass, named, reason_of, tried
from hf_cf.storage.model_folder import ALWAYS, FILES, RATINGS_TABLES, files_of

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

_REPO_ID = re.compile(r"(?=.{1,96}$)(?:[\w-][\w.-]*/)?[\w-][\w.-]*", re.ASCII)
_NO_TOKEN = (
    "nobody is logged in to the Hugging Face Hub. Make a token with write access at "
    "https://huggingface.co/settings/tokens, then run `hf auth login`, set the environment "
    "variable HF_TOKEN, or pass token="
)

_PRIVATE = tuple(f"{name}.parquet" for name in RATINGS_TABLES)


def local_folder(folder_or_repo: str | Path, **how: Unpack[DownloadOptions]) -> Path:
    """Find the folder of a model: the local one of that name, or a download of the repository.

    Raises
    ------
    HubError
        There is neither.
    """
    folder = Path(folder_or_repo).expanduser()
    name = str(folder_or_repo)
    # The Hub is not asked about a mistyped path, even if it looks like the name of a repository.
    if isinstance(folder_or_repo, Path) or folder.is_dir() or not is_repo_id(name):
        return folder
    return download(name, **how)


def is_repo_id(name: str) -> bool:
    """Whether the Hub could have a repository of this name: ``movies`` or ``user/movies``."""
    return _REPO_ID.fullmatch(name) is not None and ".." not in name and "--" not in name


class DownloadOptions(TypedDict, total=False):
    """How a repository of the Hub is read.

    Attributes
    ----------
    revision : str, optional
        Branch, tag or commit; the main branch where not given.
    token : str or bool, optional
        For private repositories; the one of ``hf auth login`` where not given, none if False.
    cache_dir : str or Path, optional
        Where downloads are kept; the cache of ``huggingface_hub`` where not given.
    local_files_only : bool
        Whether to use the cache without asking the Hub.
    force_download : bool
        Whether to download what is in the cache already.
    """

    revision: str | None
    token: str | bool | None
    cache_dir: str | Path | None
    local_files_only: bool
    force_download: bool


def download(repo_id: str, **how: Unpack[DownloadOptions]) -> Path:
    """Download a model, as far as it is not in the cache, and return its folder there.

    When the Hub cannot be reached, the copy in the cache is used, and a warning says so.

    Raises
    ------
    HubError
        The Hub does not have it or does not give it, or cannot be reached and it is not cached.
    """
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    revision, token = how.get("revision"), how.get("token")
    force_download = how.get("force_download", False)
    options: dict[str, Any] = {
        "repo_id": repo_id,
        "revision": revision,
        "token": token,
        "cache_dir": how.get("cache_dir"),
        "allow_patterns": list(FILES),
        "library_name": "hf-cf",
    }

    def from_cache() -> Path:
        return _demand_whole(Path(snapshot_download(**options, local_files_only=True)))

    if how.get("local_files_only") or constants.HF_HUB_OFFLINE:
        try:
            return from_cache()
        except LocalEntryNotFoundError as error:
            raise HubError(
                f"{named(repo_id, revision)} is not in the cache, and the Hub may not be asked "
                "(local_files_only, or HF_HUB_OFFLINE=1)"
            ) from error
    try:
        # Asked first, because a snapshot falls back to the cache without a word.
        api = HfApi(token=token)
        head = tried(lambda: api.model_info(repo_id, revision=revision, timeout=LONGEST_WAIT))
        with contextlib.suppress(LocalEntryNotFoundError):
            cached = _demand_whole(from_cache(), head)
            if cached.name == head.sha and not force_download:
                return cached
        folder = tried(lambda: snapshot_download(**options, force_download=force_download))
        return _demand_whole(Path(folder), head)
    except Exception as error:
        reason = reason_of(error, repo_id, revision)
        if reason is None:
            raise
        if may_pass(error) and not force_download:
            with contextlib.suppress(LocalEntryNotFoundError):
                folder = from_cache()
                warnings.warn(
                    f"{reason}; the copy in the cache is used (commit {folder.name[:8]})",
                    stacklevel=4,
                )
                return folder
        raise HubError(reason) from error


def _demand_whole(folder: Path, head: ModelInfo | None = None) -> Path:
    """Return the folder of a download; some versions of the client return what they got.

    Raises
    ------
    LocalEntryNotFoundError
        It lacks files that `head`, or where not given every model, has.
    """
    from huggingface_hub.errors import LocalEntryNotFoundError

    there = ALWAYS if head is None else [file.rfilename for file in head.siblings or []]
    lacking = [name for name in there if name in FILES and not (folder / name).is_file()]
    if lacking:
        raise LocalEntryNotFoundError(f"{', '.join(lacking)} did not come; try again")
    return folder


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
    sizes = {name: path.stat().st_size for name, path in files_of(folder).items()}
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


def writer(repo_id: str, token: str | None) -> HfApi:
    """Return a client that may write to a repository; raises what `writing_token` raises."""
    from huggingface_hub import HfApi

    return HfApi(token=writing_token(repo_id, token), library_name="hf-cf")


def full_name(api: HfApi, repo_id: str) -> str:
    """Put the user's name before a name without owner."""
    return repo_id if "/" in repo_id else f"{tried(api.whoami)['name']}/{repo_id}"


def make_repository(
    api: HfApi, repo_id: str, private: bool | None, *, repo_type: str = "model", **creation: Any
) -> bool:
    """Create a repository where there is none, and say whether there was none.

    Raises
    ------
    HubError
        It is to be private, and exists and is public.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = tried(lambda: api.repo_info(repo_id, repo_type=repo_type, timeout=LONGEST_WAIT))
    except RepositoryNotFoundError:
        how: dict[str, Any] = {"private": private, "repo_type": repo_type, **creation}
        tried(lambda: api.create_repo(repo_id, exist_ok=True, **how))
        return True
    if private and info.private is False:
        raise HubError(
            f"{repo_id} exists and is public, so nothing was uploaded; make it private in its "
            "settings, or leave --private (private=True) out"
        )
    return False


def commit_files(
    api: HfApi,
    repo_id: str,
    files: Mapping[str, Path | bytes],
    is_ours: Callable[[str], bool],
    *,
    message: str,
    repo_type: str = "model",
    revision: str | None = None,
    create_pr: bool = False,
) -> str | None:
    """Make one commit of files, which also removes those of ours that are not among them.

    Parameters
    ----------
    api : HfApi
        From `writer`.
    repo_id : str
        The repository, which exists.
    files : mapping of str to Path or bytes
        Contents by their paths in the repository.
    is_ours : callable
        Tells from a path whether the file may be removed; all others stay.
    message, repo_type, revision, create_pr
        As in ``HfApi.create_commit``.

    Returns
    -------
    str or None
        Address of the pull request, if there is one.

    Raises
    ------
    HubError
        The Hub did not answer, and whether it has the files could not be seen.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    where: dict[str, Any] = {"repo_type": repo_type, "revision": revision, "timeout": LONGEST_WAIT}
    head = tried(lambda: api.repo_info(repo_id, **where))
    there = {file.rfilename for file in getattr(head, "siblings", None) or ()}
    stale = sorted(name for name in there - files.keys() if is_ours(name))
    operations: list[Any] = [
        *(CommitOperationAdd(name, content) for name, content in files.items()),
        *map(CommitOperationDelete, stale),
    ]
    try:
        with warnings.catch_warnings():
            # The client warns of Parquet files, which it takes for data sets.
            warnings.filterwarnings("ignore", "It seems that you are about to commit a data file")
            commit = api.create_commit(
                repo_id,
                operations,
                commit_message=message,
                repo_type=repo_type,
                revision=revision,
                create_pr=create_pr,
                # On the branch, this refuses to write over what somebody else has just written.
                parent_commit=None if create_pr else head.sha,
            )
    except Exception as error:
        # It may have been done all the same, when the answer or the client's second try was lost.
        reason = reason_of(error, repo_id, revision, kind=repo_type)
        if reason is None or not (may_pass(error) or is_conflict(error)):
            raise
        try:
            if create_pr:
                raise
            now: Any = tried(lambda: api.repo_info(repo_id, files_metadata=True, **where))
        except Exception:
            raise HubError(
                f"{reason}. Whether the files arrived could not be seen; look at the page of "
                f"{repo_id}, or try again"
            ) from error
        found = {
            file.rfilename: file.lfs.sha256 if file.lfs else file.blob_id
            for file in now.siblings or ()
        }
        if found.keys() & set(stale) or not all(
            found.get(name) in _contents(content) for name, content in files.items()
        ):
            raise
        return None
    return commit.pr_url


def _contents(content: Path | bytes) -> tuple[str, str]:
    """The SHA-256 by which the Hub knows a large file, and the id by which git knows a small."""
    whole = content if isinstance(content, bytes) else content.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(whole) + whole, usedforsecurity=False)
    return hashlib.sha256(whole).hexdigest(), blob.hexdigest()


def make_branch(api: HfApi, repo_id: str, revision: str) -> None:
    """Create a branch from the main branch where there is none of that name."""
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        tried(lambda: api.model_info(repo_id, revision=revision, timeout=LONGEST_WAIT))
    except RevisionNotFoundError:
        api.create_branch(repo_id, branch=revision, exist_ok=True)
