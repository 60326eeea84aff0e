"""Xet storage in a folder: where the client of an ordinary installation sends its large files.

``hf_xet`` can keep a storage of its own in a folder that a ``local://`` address names. The Hub
gives that address out with its tokens, and looks into the folder for what a commit refers to.
"""

from __future__ import annotations

import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_RECORD = 48  # bytes; a shard is a sequence of records of this size
_HAS_VERIFICATION, _HAS_SHA256 = 1 << 31, 1 << 30


class XetStorage:
    """Files by their Xet hash, which are found by their SHA-256.

    Parameters
    ----------
    folder : pathlib.Path
        Where ``hf_xet`` keeps its chunks and shards.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    @property
    def url(self) -> str:
        """The address that clients are given."""
        return f"local://{self._folder.resolve()}"

    def find(self, sha256: str) -> str | None:
        """Return the Xet hash of the content with this SHA-256, or None when it was not sent."""
        for shard in self._folder.glob("xet/xorbs/shards/*.mdb"):
            for known, xet_hash in _files(shard.read_bytes()):
                if known == sha256:
                    return xet_hash
        return None

    def read(self, xet_hash: str, size: int) -> bytes:
        """Return the content with this Xet hash."""
        import hf_xet

        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "content"
            with hf_xet.XetSession().new_file_download_group(
                endpoint=self.url,
                token="xet",
                token_expiry_unix_secs=int(time.time()) + 3600,
                token_refresh_url="",
                token_refresh_headers={},
                custom_headers={},
            ) as group:
                group.start_download_file(hf_xet.XetFileInfo(xet_hash, size), str(target))
            return target.read_bytes()


def _files(shard: bytes) -> Iterator[tuple[str, str]]:
    """Yield the SHA-256 and the Xet hash of each file of a shard."""
    at = _RECORD
    while shard[at : at + 32] not in (b"", b"\xff" * 32):
        xet_hash = _hexadecimal(shard[at : at + 32])
        flags, segments = struct.unpack_from("<II", shard, at + 32)
        at += _RECORD * (1 + segments + (segments if flags & _HAS_VERIFICATION else 0))
        if flags & _HAS_SHA256:
            yield _hexadecimal(shard[at : at + 32]), xet_hash
            at += _RECORD


def _hexadecimal(hash_: bytes) -> str:
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", hash_))
