"""The Hub's answers about repositories: their life, refs, pull requests and Space settings."""

from __future__ import annotations

from typing import Any

import yaml
from huggingface_hub.repocard import REGEX_YAML_BLOCK

from .cards import card_findings
from .file_endpoints import GIT_ATTRIBUTES, store_file
from .protocol import Hub, Refusal, Request, Response, Routes, commit_of
from .repositories import File, Repository

ROUTES = Routes()


@ROUTES("GET", "/api/whoami-v2")
def _whoami(hub: Hub, request: Request) -> Response:
    user = hub.user(request)
    if user is None:
        raise Refusal(401, "Invalid username or password.")
    token = {"displayName": "test", "role": user.role}
    auth = {"type": "access_token", "accessToken": token}
    return Response.of({"type": "user", "name": user.name, "orgs": [], "auth": auth})


@ROUTES("POST", "/api/validate-yaml")
def _validate_yaml(hub: Hub, request: Request) -> Response:
    errors, warnings = card_findings(request.json["content"], request.json["repoType"])
    findings = {
        "errors": [{"message": message} for message in errors],
        "warnings": [{"message": message} for message in warnings],
    }
    return Response.of(findings, 400 if errors else 200)


@ROUTES("POST", "/api/repos/create")
def _create(hub: Hub, request: Request) -> Response:
    wanted = request.json
    user = hub.writer(request, wanted.get("organization"))
    kind, repo_id = wanted.get("type", "model"), f"{user.name}/{wanted['name']}"
    created = {"url": hub.url(kind, repo_id), "name": repo_id}
    if hub.store.find(kind, repo_id):
        error = f"You already created this {kind} repo"
        return Response.of(created | {"error": error}, 409)
    start_repository(
        hub,
        kind,
        repo_id,
        private=wanted.get("visibility") == "private",
        sdk=wanted.get("sdk"),
        variables={v["key"]: v for v in wanted.get("variables", [])},
        secrets={s["key"]: s for s in wanted.get("secrets", [])},
    )
    return Response.of(created)


def start_repository(
    hub: Hub, kind: str, repo_id: str, *, private: bool = False, sdk: str | None = None, **more: Any
) -> Repository:
    """Create a repository with the first commit that the Hub gives to each."""
    settings = {"private": private, "sdk": sdk, "variables": {}, "secrets": {}} | more
    repository = hub.store.create(kind, repo_id, **settings)
    owner, _, name = repo_id.partition("/")
    first = {".gitattributes": GIT_ATTRIBUTES}
    if kind == "space":
        first["README.md"] = f"---\ntitle: {name}\nsdk: {sdk}\n---\n"
    files = {path: store_file(hub, path, text.encode()) for path, text in first.items()}
    title = "initial commit"
    repository.commit("refs/heads/main", files, title=title, author=owner, parent=None)
    return repository


@ROUTES("DELETE", "/api/repos/delete")
def _delete(hub: Hub, request: Request) -> Response:
    wanted = request.json
    namespace = wanted.get("organization") or hub.writer(request).name
    repo_id = f"{namespace}/{wanted['name']}"
    hub.store.delete(hub.writable(request, wanted.get("type", "model"), repo_id))
    return Response.of({})


@ROUTES("PUT", f"{Routes.REPO}/settings")
def _settings(hub: Hub, request: Request, kind: str, repo_id: str) -> Response:
    repository, changed = hub.writable(request, kind, repo_id), {}
    if "visibility" in request.json:
        changed["private"] = request.json["visibility"] == "private"
    if "gated" in request.json:
        changed["gated"] = request.json["gated"]
    repository.update(**changed)
    return Response.of(changed)


@ROUTES("GET", f"{Routes.REPO}(?:/revision/(?P<revision>[^/]+))?")
def _info(hub: Hub, request: Request, kind: str, repo_id: str, revision: str | None) -> Response:
    repository = hub.readable(request, kind, repo_id)
    settings = repository.settings
    oid = commit_of(repository, revision or "main")
    files = repository.files(oid)
    card = _card_metadata(repository, oid) if "README.md" in files else {}
    results = [
        {"filename": path, "data": entry}
        for path in files
        if path.startswith(".eval_results/") and path.endswith(".yaml")
        for entry in yaml.safe_load(repository.read(path, oid))
    ]
    info = {
        "id": repo_id,
        "author": repo_id.partition("/")[0],
        "sha": oid,
        "createdAt": settings["created"],
        "lastModified": repository.read_commit(oid)["date"],
        "private": settings["private"],
        "gated": settings.get("gated", False),
        "disabled": False,
        "tags": card.get("tags", []),
        "cardData": card,
        "siblings": [_sibling(path, file) for path, file in files.items()],
    }
    more = {"sdk": settings["sdk"]} if kind == "space" else {"evalResults": results}
    return Response.of(info | more)


def _card_metadata(repository: Repository, oid: str) -> dict[str, Any]:
    block = REGEX_YAML_BLOCK.search(repository.read("README.md", oid).decode())
    return (yaml.safe_load(block.group(2)) or {}) if block else {}


def _sibling(path: str, file: File) -> dict[str, Any]:
    known = {"rfilename": path, "size": file.size, "blobId": file.oid}
    lfs = {"sha256": file.sha256, "size": file.size, "pointerSize": 130}
    return known | ({"lfs": lfs} if file.lfs else {})


@ROUTES("GET", f"{Routes.REPO}/refs")
def _refs(hub: Hub, request: Request, kind: str, repo_id: str) -> Response:
    found: dict[str, list[dict[str, str]]] = {"heads": [], "tags": [], "pr": []}
    for ref, oid in hub.readable(request, kind, repo_id).refs.items():
        _, sort, name = ref.split("/", 2)
        found[sort].append({"name": name, "ref": ref, "targetCommit": oid})
    branches = {"branches": found["heads"], "tags": found["tags"], "converts": []}
    return Response.of(branches | {"pullRequests": found["pr"]})


@ROUTES("GET", rf"{Routes.REPO}/commits/(?P<revision>[^/]+)")
def _commits(hub: Hub, request: Request, kind: str, repo_id: str, revision: str) -> Response:
    repository = hub.readable(request, kind, repo_id)
    return Response.of(
        [
            {"id": oid, "authors": [{"user": commit["author"]}]}
            | {name: commit[name] for name in ("title", "message", "date")}
            for oid, commit in repository.history(commit_of(repository, revision))
        ]
    )


@ROUTES("POST", rf"{Routes.REPO}/branch/(?P<branch>[^/]+)")
def _create_branch(hub: Hub, request: Request, kind: str, repo_id: str, branch: str) -> Response:
    repository = hub.writable(request, kind, repo_id)
    start = commit_of(repository, request.json.get("startingPoint", "main"))
    return _create_ref(repository, f"refs/heads/{branch}", start)


@ROUTES("POST", rf"{Routes.REPO}/tag/(?P<revision>[^/]+)")
def _create_tag(hub: Hub, request: Request, kind: str, repo_id: str, revision: str) -> Response:
    repository = hub.writable(request, kind, repo_id)
    target = commit_of(repository, revision)
    return _create_ref(repository, f"refs/tags/{request.json['tag']}", target)


def _create_ref(repository: Repository, ref: str, oid: str) -> Response:
    if ref.startswith("refs/heads/refs/"):
        raise Refusal(400, f"Invalid reference name: {ref}")
    if ref in repository.refs:
        raise Refusal(409, "Reference already exists")
    repository.set_ref(ref, oid)
    return Response.of({})


@ROUTES("DELETE", rf"{Routes.REPO}/(?P<sort>branch|tag)/(?P<name>[^/]+)")
def _delete_ref(
    hub: Hub, request: Request, kind: str, repo_id: str, sort: str, name: str
) -> Response:
    repository = hub.writable(request, kind, repo_id)
    ref = f"refs/{'scorer' if sort == 'branch' else 'tags'}/{name}"
    if ref == "refs/heads/main":
        raise Refusal(403, "Cannot delete the main branch")
    if ref not in repository.refs:
        raise Refusal(404, f"Invalid rev id: {name}", "RevisionNotFound")
    repository.set_ref(ref, None)
    return Response.of({})


@ROUTES("POST", f"{Routes.REPO}/discussions")
def _open_discussion(hub: Hub, request: Request, kind: str, repo_id: str) -> Response:
    repository = hub.readable(request, kind, repo_id)
    main = "refs/heads/main"
    author, head = hub.writer(request).name, repository.refs[main]
    number = repository.open_pull_request(request.json["title"], author, base=main, oid=head)
    return Response.of({"num": number, "pullRequest": True})


@ROUTES("GET", rf"{Routes.REPO}/discussions/(?P<number>\d+)")
def _discussion(hub: Hub, request: Request, kind: str, repo_id: str, number: str) -> Response:
    settings = hub.readable(request, kind, repo_id).settings
    found = settings["pull_requests"][int(number) - 1]
    return Response.of(
        {
            "num": int(number),
            "title": found["title"],
            "status": found["status"],
            "author": {"name": found["author"]},
            "createdAt": settings["created"],
            "repo": {"name": repo_id, "type": kind},
            "isPullRequest": True,
            "changes": {"base": found["base"]},
            "filesWithConflicts": [],
            "events": [],
        }
    )


@ROUTES("POST", rf"{Routes.REPO}/discussions/(?P<number>\d+)/merge")
def _merge(hub: Hub, request: Request, kind: str, repo_id: str, number: str) -> Response:
    repository = hub.writable(request, kind, repo_id)
    requests = repository.settings["pull_requests"]
    found, head = requests[int(number) - 1], repository.resolve(f"refs/pr/{number}")
    if repository.refs[found["base"]] not in [oid for oid, _ in repository.history(head)]:
        raise Refusal(409, "This pull request has conflicts with its base")
    found["status"] = "merged"
    repository.update(pull_requests=requests)
    repository.set_ref(found["base"], head)
    return Response.of({})


@ROUTES("GET", r"/api/(?P<kind>space)s/(?P<repo_id>[^/]+/[^/]+)/(?P<sort>variables|secrets)")
@ROUTES("POST", r"/api/(?P<kind>space)s/(?P<repo_id>[^/]+/[^/]+)/(?P<sort>variables|secrets)")
@ROUTES("DELETE", r"/api/(?P<kind>space)s/(?P<repo_id>[^/]+/[^/]+)/(?P<sort>variables|secrets)")
def _space_settings(hub: Hub, request: Request, kind: str, repo_id: str, sort: str) -> Response:
    repository = hub.writable(request, kind, repo_id)
    values = repository.settings[sort]
    if request.method == "POST":
        values[request.json["key"]] = request.json
    elif request.method == "DELETE":
        values.pop(request.json["key"], None)
    repository.update(**{sort: values})
    shown = ("value", "description") if sort == "variables" else ("description",)
    return Response.of(
        {key: {name: value.get(name) for name in shown} for key, value in values.items()}
    )


@ROUTES("GET", r"/api/(?P<kind>space)s/(?P<repo_id>[^/]+/[^/]+)/runtime")
def _runtime(hub: Hub, request: Request, kind: str, repo_id: str) -> Response:
    hub.readable(request, kind, repo_id)
    hardware = {"current": "cpu-basic", "requested": "cpu-basic"}
    return Response.of({"stage": "BUILDING", "hardware": hardware, "gcTimeout": 172800})
