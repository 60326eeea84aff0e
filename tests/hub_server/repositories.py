"""Repositories on disk as the Hub keeps them: content by its hash, commits as JSON, refs as names.

Below the store's root::

    blobs/<sha256>                               the content of every file of every repository
    <type>s/<owner>/<name>/repository.json       what has no versions: visibility, refs, settings
    <type>s/<owner>/<name>/commits/<oid>.json    parent, title, date, author, and the files
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class UnknownRevision(KeyError):
    """No branch, tag, pull request or commit of that name in the repository."""


@dataclass(frozen=True)
class File:
    """One file of one commit.

    Attributes
    ----------
    sha256 : str
        Hash of the content, and its name among the blobs.
    size : int
        Length of the content in bytes.
    oid : str
        The git blob id: of the content, or of the LFS pointer that stands for it.
    lfs : bool
        Whether the content is kept in large file storage.
    xet : str or None
        Its hash in Xet storage, if it came that way.
    """

    sha256: str
    size: int
    oid: str
    lfs: bool
    xet: str | None = None

    @classmethod
    def in_git(cls, content: bytes) -> File:
        """Describe content that git itself keeps."""
        return cls(hashlib.sha256(content).hexdigest(), len(content), git_hash(content), False)

    @classmethod
    def in_lfs(cls, sha256: str, size: int, xet: str | None = None) -> File:
        """Describe content that large file storage keeps, and git points to."""
        return cls(sha256, size, git_hash(lfs_pointer(sha256, size)), True, xet)

    @property
    def etag(self) -> str:
        """What the Hub calls this content, and what the client's cache is keyed by."""
        return self.sha256 if self.lfs else self.oid


def git_hash(content: bytes) -> str:
    """Return the id that git gives to a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def lfs_pointer(sha256: str, size: int) -> bytes:
    """Return the small text that stands in git for a large file."""
    version = "version https://git-lfs.github.com/spec/v1"
    return f"{version}\noid sha256:{sha256}\nsize {size}\n".encode()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    beside.write_bytes(content)
    os.replace(beside, path)  # noqa: PTH105 - Path.replace hides that it overwrites


class RepositoryStore:
    """All repositories of a Hub, and the blobs that they share.

    Parameters
    ----------
    root : pathlib.Path
        The folder to keep them in; created when missing. What an earlier store left is found again.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs"
        self._blobs.mkdir(parents=True, exist_ok=True)

    def put(self, content: bytes) -> str:
        """Keep content and return its SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.has(sha256):
            write_atomically(self._blobs / sha256, content)
        return sha256

    def has(self, sha256: str) -> bool:
        """Tell whether the content with this hash is here."""
        return (self._blobs / sha256).is_file()

    def get(self, sha256: str) -> bytes:
        """Return the content with this hash."""
        return (self._blobs / sha256).read_bytes()

    def find(self, repo_type: str, repo_id: str) -> Repository | None:
        """Return a repository, or None where there is none of that name."""
        folder = self.root / f"{repo_type}s" / repo_id
        return Repository(folder, self) if (folder / "repository.json").is_file() else None

    def create(self, repo_type: str, repo_id: str, **settings: Any) -> Repository:
        """Start a repository without commits."""
        repository = Repository(self.root / f"{repo_type}s" / repo_id, self)
        repository.update(
            type=repo_type, id=repo_id, refs={}, pull_requests=[], created=_now(), **settings
        )
        return repository

    def delete(self, repository: Repository) -> None:
        """Forget a repository; its blobs stay."""
        shutil.rmtree(repository.folder)


class Repository:
    """One repository: its settings, refs and commits, read from disk at each call."""

    def __init__(self, folder: Path, store: RepositoryStore) -> None:
        self.folder = folder
        self._store = store

    @property
    def settings(self) -> dict[str, Any]:
        """All that has no versions: type, id, private, created, refs, pull_requests, and more."""
        path = self.folder / "repository.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def update(self, **changes: Any) -> None:
        """Change settings."""
        content = json.dumps(self.settings | changes, indent=1).encode()
        write_atomically(self.folder / "repository.json", content)

    @property
    def refs(self) -> dict[str, str]:
        """Full names of branches, tags and pull requests, and the commits that they stand for."""
        return self.settings["refs"]

    def set_ref(self, name: str, oid: str | None) -> None:
        """Move or create a ref; None removes it."""
        refs = self.refs | {name: oid}
        self.update(refs={ref: target for ref, target in refs.items() if target is not None})

    def resolve(self, revision: str) -> str:
        """Return the commit that a branch, tag, ``refs/...`` or (short) commit id stands for.

        Raises
        ------
        UnknownRevision
            When there is no such revision.
        """
        refs = self.refs
        for name in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if name in refs:
                return refs[name]
        if len(revision) >= 7 and revision.isalnum():
            found = [path.stem for path in (self.folder / "commits").glob(f"{revision}*.json")]
            if len(found) == 1:
                return found[0]
        raise UnknownRevision(revision)

    def commit(
        self,
        ref: str,
        files: Mapping[str, File],
        *,
        title: str,
        description: str = "",
        author: str,
        parent: str | None,
    ) -> str:
        """Record a version of all files and let a ref stand for it.

        Returns
        -------
        str
            The commit's id: 40 hexadecimal digits.
        """
        commit = {
            "parent": parent,
            "title": title,
            "message": description,
            "author": author,
            "date": _now(),
            "files": {path: asdict(files[path]) for path in sorted(files)},
        }
        content = json.dumps(commit, indent=1).encode()
        oid = hashlib.sha1(content).hexdigest()
        write_atomically(self.folder / "commits" / f"{oid}.json", content)
        self.set_ref(ref, oid)
        return oid

    def open_pull_request(self, title: str, author: str, base: str, oid: str) -> int:
        """Open a pull request to a ref, its head at a commit; return its number."""
        requests = self.settings["pull_requests"]
        requests.append({"title": title, "author": author, "base": base, "status": "open"})
        self.update(pull_requests=requests)
        self.set_ref(f"refs/pr/{len(requests)}", oid)
        return len(requests)

    def read_commit(self, oid: str) -> dict[str, Any]:
        """Return a commit's parent, title, message, author, date and files."""
        return json.loads((self.folder / "commits" / f"{oid}.json").read_text())

    def files(self, revision: str = "main") -> dict[str, File]:
        """Return the files at a revision by their paths."""
        files = self.read_commit(self.resolve(revision))["files"]
        return {path: File(**file) for path, file in files.items()}

    def read(self, path: str, revision: str = "main") -> bytes:
        """Return a file's content at a revision."""
        return self._store.get(self.files(revision)[path].sha256)

    def history(self, revision: str = "main") -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield commits and their ids, the newest first."""
        oid: str | None = self.resolve(revision)
        while oid is not None:
            commit = self.read_commit(oid)
            yield oid, commit
            oid = commit["parent"]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
