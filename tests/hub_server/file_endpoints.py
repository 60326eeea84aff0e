"""The Hub's answers about files: trees, uploads, commits, downloads, and the storage behind it."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any
from urllib.parse import parse_qs, quote

from .protocol import Hub, Refusal, Request, Response, Routes, commit_of
from .repositories import File

_LFS_ENDINGS = """
    7z arrow bin bz2 ckpt ftz gz h5 joblib mlmodel model msgpack npy npz onnx ot parquet pb pickle
    pkl pt pth rar safetensors tar tflite tgz wasm xz zip zst""".strip().split()
_MOST_IN_GIT = 10 * 2**20  # bytes; the Hub keeps larger files in LFS, whatever their name
_OBJECT = r"/objects/(?P<sha256>[0-9a-f]{64})"

GIT_ATTRIBUTES = "".join(f"*.{e} filter=lfs diff=lfs merge=lfs -text\n" for e in _LFS_ENDINGS)
ROUTES = Routes()
STORAGE_ROUTES = Routes()


@ROUTES("GET", rf"{Routes.REPO}/tree/(?P<revision>[^/]+)(?:/(?P<folder>.+))?")
def _tree(
    hub: Hub, request: Request, kind: str, repo_id: str, revision: str, folder: str | None
) -> Response:
    repository = hub.readable(request, kind, repo_id)
    entries = _entries(repository.files(commit_of(repository, revision)))
    start = f"{folder}/" if folder else ""
    below = [entry for path, entry in entries.items() if path.startswith(start)]
    if folder and not below:
        raise Refusal(404, f"{folder} does not exist on {revision!r}", "EntryNotFound")
    if request.query.get("recursive") != "true":
        below = [entry for entry in below if "/" not in entry["path"][len(start) :]]
    return Response.of(below)


@ROUTES("POST", rf"{Routes.REPO}/paths-info/(?P<revision>[^/]+)")
def _paths_info(hub: Hub, request: Request, kind: str, repo_id: str, revision: str) -> Response:
    repository = hub.readable(request, kind, repo_id)
    entries = _entries(repository.files(commit_of(repository, revision)))
    asked = parse_qs(request.body.decode()).get("paths", [])
    return Response.of([entries[path] for path in asked if path in entries])


def _entries(files: dict[str, File]) -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for path, file in files.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            oid = hashlib.sha1(folder.encode()).hexdigest()
            entries[folder] = {"type": "directory", "path": folder, "oid": oid, "size": 0}
        entries[path] = {"type": "file", "path": path, "oid": file.oid, "size": file.size}
        if file.lfs:
            entries[path]["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 130}
        if file.xet:
            entries[path]["xetHash"] = file.xet
    return entries


@ROUTES("POST", rf"{Routes.REPO}/preupload/(?P<revision>[^/]+)")
def _preupload(hub: Hub, request: Request, kind: str, repo_id: str, revision: str) -> Response:
    may = hub.readable if request.query.get("create_pr") else hub.writable
    repository = may(request, kind, repo_id)
    present = repository.files(commit_of(repository, revision))
    return Response.of(
        {
            "files": [
                {
                    "path": file["path"],
                    "uploadMode": _upload_mode(
                        file["path"], base64.b64decode(file["sample"]), file["size"]
                    ),
                    "shouldIgnore": False,
                    "oid": present[file["path"]].etag if file["path"] in present else None,
                }
                for file in request.json["files"]
            ]
        }
    )


def store_file(hub: Hub, path: str, content: bytes) -> File:
    """Keep content where an upload of it would be kept."""
    sha256 = hub.store.put(content)
    if _upload_mode(path, content[:512], len(content)) == "lfs":
        return File.in_lfs(sha256, len(content))
    return File.in_git(content)


def _upload_mode(path: str, sample: bytes, size: int) -> str:
    ending = path.rpartition(".")[2]
    large = ending in _LFS_ENDINGS or b"\0" in sample or size > _MOST_IN_GIT
    return "lfs" if large else "regular"


@ROUTES("POST", rf"{Routes.PAGE}\.git/info/lfs/objects/batch")
def _lfs_batch(hub: Hub, request: Request, kind: str, repo_id: str) -> Response:
    hub.readable(request, kind, repo_id)
    hub.writer(request)
    if "xet" in request.json.get("transfers", ()):  # as clients before 2.0 ask for it
        objects = [{"oid": each["oid"], "size": each["size"]} for each in request.json["objects"]]
        return Response.of({"transfer": "xet", "objects": objects})
    verify = {"href": f"{hub.url(kind, repo_id)}.git/info/lfs/verify"}
    objects = []
    for wanted in request.json["objects"]:
        actions = {"upload": {"href": hub.storage_url(wanted["oid"])}, "verify": verify}
        known = hub.store.has(wanted["oid"])
        objects.append(wanted if known else wanted | {"actions": actions})
    return Response.of({"transfer": "basic", "objects": objects})


@ROUTES("POST", rf"{Routes.PAGE}\.git/info/lfs/verify")
def _lfs_verify(hub: Hub, request: Request, kind: str, repo_id: str) -> Response:
    hub.writer(request)
    wanted = request.json
    if not hub.store.has(wanted["oid"]) or len(hub.store.get(wanted["oid"])) != wanted["size"]:
        raise Refusal(404, "The object was not uploaded")
    return Response.of({})


@ROUTES("POST", rf"{Routes.REPO}/commit/(?P<revision>[^/]+)")
def _commit(hub: Hub, request: Request, kind: str, repo_id: str, revision: str) -> Response:
    create_pr = request.query.get("create_pr") == "1"
    repository = (hub.readable if create_pr else hub.writable)(request, kind, repo_id)
    user = hub.writer(request)
    header, *operations = (json.loads(line) for line in request.body.splitlines() if line)
    head = commit_of(repository, revision)
    parent = header["value"].get("parentCommit")
    if create_pr:
        head = commit_of(repository, parent) if parent else head
    elif parent and not head.startswith(parent):
        raise Refusal(412, "A commit has happened since. Please refresh and try again.")
    files = repository.files(head)
    for operation in operations:
        _apply(hub, files, operation["key"], operation["value"])
    title, description = header["value"]["summary"], header["value"].get("description", "")
    ref = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
    answer: dict[str, Any] = {"success": True}
    if create_pr:
        number = repository.open_pull_request(title, user.name, base=ref, oid=head)
        ref = f"refs/pr/{number}"
        answer["pullRequestUrl"] = f"{hub.url(kind, repo_id)}/discussions/{number}"
    elif ref not in repository.refs:
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    oid = repository.commit(
        ref, files, title=title, description=description, author=user.name, parent=head
    )
    url = f"{hub.url(kind, repo_id)}/commit/{oid}"
    return Response.of(answer | {"commitOid": oid, "commitUrl": url})


def _apply(hub: Hub, files: dict[str, File], operation: str, value: dict[str, Any]) -> None:
    path = value["path"]
    if operation == "file":
        content = base64.b64decode(value["content"])
        hub.store.put(content)
        files[path] = File.in_git(content)
    elif operation == "lfsFile":
        xet = hub.xet.find(value["oid"])
        if xet and not hub.store.has(value["oid"]):
            hub.store.put(hub.xet.read(xet, value["size"]))
        if not hub.store.has(value["oid"]):
            raise Refusal(400, f"LFS pointer pointed to a file that does not exist: {path}")
        files[path] = File.in_lfs(value["oid"], len(hub.store.get(value["oid"])), xet)
    else:
        folder = path.rstrip("/") + "/"
        gone = [p for p in files if p == path or p.startswith(folder)]
        if not gone:
            raise Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
        for name in gone:
            del files[name]


@ROUTES("GET", rf"{Routes.PAGE}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
def _resolve(
    hub: Hub, request: Request, kind: str, repo_id: str, revision: str, path: str
) -> Response:
    repository = hub.downloadable(request, kind, repo_id)
    oid = commit_of(repository, revision)
    file = repository.files(oid).get(path)
    headers = {"X-Repo-Commit": oid}
    if file is None:
        raise Refusal(404, "Entry not found", "EntryNotFound", headers)
    if not file.lfs:
        headers["ETag"] = f'"{file.etag}"'
        name = quote(path.rpartition("/")[2])
        headers["Content-Disposition"] = f"inline; filename*=UTF-8''{name}; filename=\"{name}\";"
        return Response(200, hub.store.get(file.sha256), headers, ranges=True)
    headers["X-Linked-Etag"] = f'"{file.etag}"'
    headers["X-Linked-Size"] = str(file.size)
    headers["Location"] = hub.storage_url(file.sha256)
    if file.xet:
        token = f"{hub.endpoint}/api/{kind}s/{repo_id}/xet-read-token/{oid}"
        headers |= {"X-Xet-Hash": file.xet, "Link": f'<{token}>; rel="xet-auth"'}
    return Response(302, b"", headers)


@ROUTES("GET", rf"{Routes.REPO}/xet-(?P<use>read|write)-token/(?P<revision>[^/]+)")
def _xet_token(
    hub: Hub, request: Request, kind: str, repo_id: str, use: str, revision: str
) -> Response:
    may_read = use == "read" or request.query.get("create_pr")
    (hub.readable if may_read else hub.writable)(request, kind, repo_id)
    expires = int(time.time()) + 3600
    headers = {
        "X-Xet-Cas-Url": hub.xet.url,
        "X-Xet-Access-Token": "xet",
        "X-Xet-Token-Expiration": str(expires),
    }
    content = {"casUrl": hub.xet.url, "exp": expires, "accessToken": "xet"}
    return Response.of(content, 200, **headers)


@STORAGE_ROUTES("PUT", _OBJECT)
def _store(hub: Hub, request: Request, sha256: str) -> Response:
    _check_signature(hub, request, sha256)
    if hashlib.sha256(request.body).hexdigest() != sha256:
        raise Refusal(400, "BadDigest")
    hub.store.put(request.body)
    return Response()


@STORAGE_ROUTES("GET", _OBJECT)
def _fetch(hub: Hub, request: Request, sha256: str) -> Response:
    _check_signature(hub, request, sha256)
    return Response(200, hub.store.get(sha256), {"ETag": f'"{sha256}"'}, ranges=True)


def _check_signature(hub: Hub, request: Request, sha256: str) -> None:
    if "authorization" in request.headers:
        raise Refusal(400, "Only one auth mechanism allowed")
    if request.query.get("signature") != hub.signature(sha256):
        raise Refusal(403, "AccessDenied")
