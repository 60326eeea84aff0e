"""The real ``huggingface_hub`` client against the Hub of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub_server import HubServer, environment
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    EvalResultEntry,
    HfApi,
    ModelCard,
    ModelHubMixin,
    constants,
    eval_result_entries_to_yaml,
    get_session,
    hf_hub_download,
    snapshot_download,
)
from huggingface_hub.errors import (
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from small_repository import REPO, WEIGHTS, api, contents, hub, model, published

__all__ = ["api", "hub", "model", "published"]  # the fixtures


class Recommender(ModelHubMixin, library_name="hf_cf"):
    def __init__(self, n_factors: int = 50, weights: bytes = WEIGHTS) -> None:
        self.n_factors = n_factors
        self.weights = weights

    def _save_pretrained(self, save_directory: Path) -> None:
        (save_directory / "model.safetensors").write_bytes(self.weights)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, n_factors: int, **download: Any) -> Recommender:
        path = hf_hub_download(model_id, "model.safetensors", **download)
        return cls(n_factors, Path(path).read_bytes())


def test_a_folder_comes_back_byte_for_byte(published: str, model: Path) -> None:
    snapshot = contents(snapshot_download(REPO))
    assert snapshot.pop(".gitattributes")
    assert snapshot == contents(model)
    assert Path(snapshot_download(REPO)).name == published


def test_large_files_go_through_the_storage_where_no_token_goes(
    hub: HubServer, published: str
) -> None:
    hf_hub_download(REPO, "model.safetensors", token=hub.token)
    stored = [request for request in hub.requests if request.origin == "storage"]
    assert [request.method for request in stored] == ["PUT", "PUT", "GET"]
    assert {request.token for request in stored} == {None}
    assert hub.requests[-2].token == hub.token  # the question where the file is


def test_patterns_restrict_what_is_downloaded(published: str) -> None:
    folder = snapshot_download(REPO, allow_patterns=["config.json", "*.parquet"])
    assert set(contents(folder)) == {"config.json", "items.parquet"}


def test_a_cached_snapshot_is_read_without_the_hub(hub: HubServer, published: str) -> None:
    folder = snapshot_download(REPO)
    hub.stop()
    assert snapshot_download(REPO) == folder
    assert snapshot_download(REPO, local_files_only=True) == folder


def test_what_has_not_changed_is_not_committed_again(
    hub: HubServer, api: HfApi, published: str, model: Path
) -> None:
    assert api.upload_folder(repo_id=REPO, folder_path=model).oid == published
    assert not any("/commit/" in request.path for request in hub.requests[-3:])


def test_a_mixin_pushes_and_loads(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    Recommender(n_factors=40).push_to_hub(REPO, private=True)
    loaded = Recommender.from_pretrained(REPO)
    assert (loaded.n_factors, loaded.weights) == (40, WEIGHTS)
    assert ModelCard.load(REPO).data.library_name == "hf_cf"


def test_a_mixin_pushes_to_a_branch_and_to_a_pull_request(hub: HubServer, api: HfApi) -> None:
    api.create_repo(REPO)
    api.create_branch(REPO, branch="v1")
    Recommender(n_factors=1).push_to_hub(REPO, branch="v1", token=hub.token)
    Recommender(n_factors=2).push_to_hub(REPO, create_pr=True, token=hub.token)
    assert Recommender.from_pretrained(REPO, revision="v1").n_factors == 1
    assert Recommender.from_pretrained(REPO, revision="refs/pr/1").n_factors == 2
    assert set(hub.repository(REPO).files("main")) == {".gitattributes"}


def test_xet_carries_files_as_in_an_ordinary_installation(
    hub: HubServer, published: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    done = len(hub.requests)
    Recommender(n_factors=3, weights=WEIGHTS[::-1]).push_to_hub(REPO, token=hub.token)
    assert Recommender.from_pretrained(REPO).weights == WEIGHTS[::-1]
    assert contents(snapshot_download(REPO))["model.safetensors"] == WEIGHTS[::-1]
    seen = hub.requests[done:]
    assert any("/xet-write-token/" in request.path for request in seen)
    assert any("/xet-read-token/" in request.path for request in seen)
    assert [r.method for r in seen if r.origin == "storage"] == ["GET"]  # what LFS had brought


def test_a_pull_request_is_opened_by_xet_too(
    hub: HubServer, published: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    Recommender(weights=b"other" * 100).push_to_hub(REPO, create_pr=True, token=hub.token)
    assert hub.repository(REPO).read("model.safetensors", "refs/pr/1") == b"other" * 100
    assert hub.repository(REPO).resolve("main") == published


def test_another_process_is_pointed_at_the_hub_by_its_environment(
    hub: HubServer, tmp_path: Path
) -> None:
    code = "from huggingface_hub import HfApi; print(HfApi().create_repo('movies').repo_id)"
    surroundings = environment(hub, tmp_path / "home", token=hub.token)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=surroundings, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == REPO


def test_branches_tags_and_pull_requests_stand_for_commits(
    hub: HubServer, api: HfApi, published: str
) -> None:
    api.create_tag(REPO, tag="v1", tag_message="first")
    api.create_branch(REPO, branch="next", revision="v1")
    change = CommitOperationAdd("config.json", b"{}")
    request = api.create_commit(REPO, [change], commit_message="Empty", create_pr=True)
    refs = api.list_repo_refs(REPO, include_pull_requests=True)
    heads = {ref.ref: ref.target_commit for ref in refs.branches + refs.tags + refs.pull_requests}
    main = dict.fromkeys(("refs/heads/main", "refs/heads/next", "refs/tags/v1"), published)
    assert heads == main | {"refs/pr/1": request.oid}
    api.merge_pull_request(REPO, request.pr_num)
    assert api.model_info(REPO).sha == request.oid
    assert Path(hf_hub_download(REPO, "config.json", revision="v1")).read_text() != "{}"
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_tag(REPO, tag="v1")
    api.delete_tag(REPO, tag="v1")
    with pytest.raises(RevisionNotFoundError):
        api.model_info(REPO, revision="v1")


def test_a_commit_adds_and_deletes_at_once(hub: HubServer, api: HfApi, published: str) -> None:
    changes = [CommitOperationDelete("figures/"), CommitOperationAdd("new.txt", b"new")]
    api.create_commit(REPO, changes, commit_message="Change", commit_description="Two things")
    assert "figures/map.svg" not in hub.repository(REPO).files()
    assert hub.repository(REPO).read("new.txt") == b"new"
    titles = [commit.title for commit in api.list_repo_commits(REPO)]
    assert titles[0] == "Change"
    assert titles[-1] == "initial commit"


def test_the_tree_tells_folders_sizes_and_hashes(api: HfApi, published: str) -> None:
    top = {entry.path: entry for entry in api.list_repo_tree(REPO)}
    assert set(top) == {
        *(".gitattributes", "README.md", "config.json", "figures"),
        *("items.parquet", "model.safetensors"),
    }
    assert top["model.safetensors"].lfs.size == len(WEIGHTS)
    assert api.file_exists(REPO, "figures/map.svg")
    (info,) = api.get_paths_info(REPO, ["config.json", "absent"])
    assert info.size == len('{"n_factors": 50}')
    below = [entry.path for entry in api.list_repo_tree(REPO, "figures")]
    assert below == ["figures/map.svg"]


def test_a_stale_parent_commit_is_refused(api: HfApi, published: str) -> None:
    change = CommitOperationAdd("a.txt", b"a")
    api.create_commit(REPO, [change], commit_message="Mine", parent_commit=published)
    late = CommitOperationAdd("b.txt", b"b")
    with pytest.raises(HfHubHTTPError, match="412") as refusal:
        api.create_commit(REPO, [late], commit_message="Late", parent_commit=published)
    assert "A commit has happened since" in str(refusal.value)


def test_a_private_repository_shows_itself_to_its_owner_only(
    hub: HubServer, api: HfApi, model: Path
) -> None:
    api.create_repo(REPO, private=True)
    api.upload_folder(repo_id=REPO, folder_path=model)
    for token in (False, hub.stranger_token):
        with pytest.raises(RepositoryNotFoundError):
            hf_hub_download(REPO, "config.json", token=token)
        with pytest.raises(RepositoryNotFoundError):
            snapshot_download(REPO, token=token)
    assert hf_hub_download(REPO, "model.safetensors", token=hub.read_token)
    api.update_repo_settings(REPO, private=False)
    assert hf_hub_download(REPO, "config.json", token=False)


@pytest.mark.parametrize(
    ("who", "status"), [("nobody", 401), ("read_token", 403), ("stranger_token", 403)]
)
def test_nobody_else_may_write(hub: HubServer, published: str, who: str, status: int) -> None:
    token = getattr(hub, who) if who != "nobody" else False
    api, change = HfApi(token=token), [CommitOperationAdd("a.txt", b"a")]
    with pytest.raises(HfHubHTTPError) as refusal:
        api.create_repo("user/other")
    assert refusal.value.response.status_code == status
    with pytest.raises(HfHubHTTPError) as refusal:
        api.create_commit(REPO, change, commit_message="Change")
    assert refusal.value.response.status_code == status
    assert hub.repository(REPO).resolve("main") == published


def test_a_stranger_may_propose_a_change(hub: HubServer, published: str) -> None:
    change = [CommitOperationAdd("big.npz", WEIGHTS[:999])]
    api = HfApi(token=hub.stranger_token)
    assert api.create_commit(REPO, change, commit_message="Add", create_pr=True).pr_num == 1


def test_a_wrong_token_is_refused(hub: HubServer, published: str) -> None:
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        HfApi(token="hf_wrong").whoami()
    with pytest.raises(HfHubHTTPError, match="401") as refusal:
        hf_hub_download(REPO, "config.json", token="hf_wrong")
    assert not isinstance(refusal.value, RepositoryNotFoundError)


def test_what_does_not_exist_is_named(api: HfApi, published: str) -> None:
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("user/absent")
    with pytest.raises(RepositoryNotFoundError):
        hf_hub_download("user/absent", "config.json", token=False)
    with pytest.raises(RevisionNotFoundError):
        snapshot_download(REPO, revision="absent")
    with pytest.raises(RevisionNotFoundError):
        api.create_commit(
            REPO, [CommitOperationAdd("a", b"a")], commit_message="Change", revision="absent"
        )
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download(REPO, "absent.json")


def test_creating_twice_is_a_conflict_unless_expected(api: HfApi, published: str) -> None:
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo(REPO)
    assert api.create_repo(REPO, exist_ok=True).repo_id == REPO
    api.delete_repo(REPO)
    assert not api.repo_exists(REPO)


@pytest.mark.parametrize(
    ("metadata", "complaint"),
    [
        ("license: my-own", "license"),
        ("tags: movies", "tags"),
        ("model-index: [{name: movies}]", "model-index"),
        ("language: klingonish", "language"),
        ("a: [", "invalid YAML"),
    ],
)
def test_a_card_with_wrong_metadata_is_refused(
    api: HfApi, published: str, metadata: str, complaint: str
) -> None:
    card = CommitOperationAdd("README.md", f"---\n{metadata}\n---\n".encode())
    with pytest.raises(ValueError, match=complaint):
        api.create_commit(REPO, [card], commit_message="Card")


def test_a_card_without_metadata_is_remarked_on(api: HfApi, published: str) -> None:
    card = CommitOperationAdd("README.md", b"# Movies\n")
    with pytest.warns(UserWarning, match="empty or missing yaml"):
        api.create_commit(REPO, [card], commit_message="Card")


def test_model_info_shows_card_and_evaluation_results(api: HfApi, published: str) -> None:
    entry = EvalResultEntry(dataset_id="user/ml", task_id="rating", value=0.94)
    results = yaml.dump(eval_result_entries_to_yaml([entry])).encode()
    change = CommitOperationAdd(".eval_results/ml.yaml", results)
    api.create_commit(REPO, [change], commit_message="Results")
    info = api.model_info(REPO, expand=["evalResults"])
    assert info.eval_results == [entry]
    assert info.card_data.license == "mit"


def test_a_space_has_variables_and_secrets(hub: HubServer, api: HfApi) -> None:
    wanted = {"repo_type": "space", "space_sdk": "gradio"}
    variable = {"key": "MODEL", "value": REPO}
    url = api.create_repo("user/demo", space_variables=[variable], **wanted)
    assert (url.repo_id, url.repo_type) == ("user/demo", "space")
    api.add_space_variable("user/demo", "REVISION", "v1")
    api.add_space_secret("user/demo", "HF_TOKEN", "secret")
    values = {key: item.value for key, item in api.get_space_variables("user/demo").items()}
    assert values == {"MODEL": REPO, "REVISION": "v1"}
    assert list(api.get_space_secrets("user/demo")) == ["HF_TOKEN"]
    api.delete_space_variable("user/demo", "MODEL")
    change = CommitOperationAdd("app.py", b"print()")
    api.create_commit("user/demo", [change], commit_message="App", repo_type="space")
    assert hf_hub_download("user/demo", "app.py", repo_type="space")
    assert hub.repository("user/demo", "space").settings["sdk"] == "gradio"
    with pytest.raises(HfHubHTTPError, match="403"):
        api.add_space_variable("user/demo", "A", "b", token=hub.stranger_token)


def test_the_storage_gives_ranges_to_who_has_the_address(hub: HubServer, published: str) -> None:
    url = f"{hub.endpoint}/{REPO}/resolve/main/model.safetensors"
    part = get_session().get(url, headers={"Range": "bytes=256-259"})
    assert (part.status_code, part.content) == (206, b"\x00\x01\x02\x03")
    beyond = get_session().get(url, headers={"Range": f"bytes={len(WEIGHTS)}-"})
    assert beyond.status_code == 416
    unsigned = get_session().get(str(part.url.copy_with(query=None)))
    assert unsigned.status_code == 403


def test_a_repository_can_be_hostile(hub: HubServer, tmp_path: Path) -> None:
    hub.publish("stranger/trap", {"config.json": b"{", "../../../../escaped.txt": b"!"})
    assert Path(hf_hub_download("stranger/trap", "config.json")).read_bytes() == b"{"
    with pytest.raises((ValueError, HfHubHTTPError)):
        snapshot_download("stranger/trap")
    assert not list(tmp_path.rglob("escaped.txt"))


def test_repositories_outlive_their_server(hub: HubServer, published: str, tmp_path: Path) -> None:
    hub.stop()
    with HubServer(tmp_path / "hub") as again:
        assert HfApi(endpoint=again.endpoint).model_info(REPO).sha == published
