"""Models from the Hub: its cache, and what happens when it fails or is not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hub_server import Fault, HubServer, environment
from huggingface_hub import HfApi, constants
from published import REPO, files_of, logged_in
from same_answers import assert_same_answers

from hf_cf import HubError, ModelFormatError, Recommender

__all__ = ["logged_in"]  # the fixture

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:httpx2")


def test_a_second_load_asks_little_and_a_third_nothing(
    logged_in: HubServer, trained: Recommender
) -> None:
    trained.push_to_hub(REPO)
    Recommender.from_pretrained(REPO)
    logged_in.requests.clear()
    Recommender.from_pretrained(REPO)
    assert {request.method for request in logged_in.requests} == {"GET"}
    assert len(logged_in.requests) <= 2 and not any(
        "/resolve/" in request.path for request in logged_in.requests
    )
    logged_in.requests.clear()
    Recommender.from_pretrained(REPO, local_files_only=True)
    assert logged_in.requests == []


def test_only_the_formats_files_are_downloaded(logged_in: HubServer, trained: Recommender) -> None:
    trained.push_to_hub(REPO)
    for name in ("pytorch_model.bin", "evil.py", "sub/config.json"):
        HfApi().upload_file(path_or_fileobj=b"x", path_in_repo=name, repo_id=REPO)
    Recommender.from_pretrained(REPO)
    asked = {request.path for request in logged_in.requests if request.method == "GET"}
    assert not any(name in path for path in asked for name in ("bin", "evil", "sub"))


def test_a_hub_out_of_reach_is_replaced_by_the_cache_and_said(
    logged_in: HubServer, trained: Recommender
) -> None:
    trained.push_to_hub(REPO)
    Recommender.from_pretrained(REPO)
    logged_in.stop()
    with pytest.warns(UserWarning, match="cannot be reached.*the copy in the cache is used"):
        assert_same_answers(trained, Recommender.from_pretrained(REPO))
    with pytest.raises(HubError, match="cannot be reached"):
        Recommender.from_pretrained("user/other")


def test_offline_the_cache_serves(
    logged_in: HubServer, trained: Recommender, tmp_path: Path
) -> None:
    trained.push_to_hub(REPO)
    Recommender.from_pretrained(REPO)
    code = (
        "import hf_cf\n"
        f"rec = hf_cf.Recommender.from_pretrained({REPO!r})\n"
        "print(rec.recommend(ratings={'Heat (1995)': 5}, n=1)['title'][0])\n"
        "try: hf_cf.Recommender.from_pretrained('user/other')\n"
        "except hf_cf.HubError as error: print(error)\n"
    )
    home = Path(constants.HF_HOME)
    offline = environment(logged_in, home) | {"HF_HUB_OFFLINE": "1"}
    logged_in.requests.clear()
    out = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=offline, check=True,
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert "user/other is not in the cache" in out and len(out.splitlines()) == 2
    assert logged_in.requests == []


def test_a_failure_that_passes_is_not_noticed(logged_in: HubServer, trained: Recommender) -> None:
    logged_in.fail_next("GET", "/api/models/user/movies", status=503)
    trained.push_to_hub(REPO)
    for path in ("/api/models/user/movies", "/resolve/.*/config.json"):
        logged_in.fail_next("GET", path, status=500)
    logged_in.cut_next("/", after_bytes=1000)
    assert_same_answers(trained, Recommender.from_pretrained(REPO))
    assert not logged_in.pending_faults


def test_a_download_that_keeps_failing_is_an_error_and_can_be_repeated(
    logged_in: HubServer, trained: Recommender
) -> None:
    trained.push_to_hub(REPO)
    logged_in.fail_next("GET", "config.json", status=500, times=50)
    with pytest.raises(HubError, match=r"status 500|could not be downloaded"):
        Recommender.from_pretrained(REPO)
    logged_in.pending_faults.clear()
    assert_same_answers(trained, Recommender.from_pretrained(REPO))


def test_a_part_of_a_download_is_not_taken_for_the_model(
    logged_in: HubServer, trained: Recommender
) -> None:
    trained.push_to_hub(REPO)
    Recommender.from_pretrained(REPO)
    (config,) = Path(constants.HF_HUB_CACHE).rglob("config.json")
    config.unlink()  # as where the disk was full
    assert_same_answers(trained, Recommender.from_pretrained(REPO))


@pytest.mark.parametrize("where", ["preupload", "/commit/", "lfs"])
def test_an_interrupted_push_leaves_the_old_version_whole(
    logged_in: HubServer, trained: Recommender, where: str
) -> None:
    trained.push_to_hub(REPO)
    before = files_of(logged_in)
    logged_in.fail_next("POST", where, status=500, times=50)
    with pytest.raises(HubError, match=r"status 500.*Nothing was changed"):
        trained.push_to_hub(REPO, dtype="float16")
    logged_in.pending_faults.clear()
    assert files_of(logged_in) == before
    trained.push_to_hub(REPO, dtype="float16")
    assert files_of(logged_in) != before


def test_a_push_does_not_overwrite_what_somebody_else_has_just_pushed(
    logged_in: HubServer, trained: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.push_to_hub(REPO)
    create_commit = HfApi.create_commit

    def too_late(self: HfApi, *args: Any, **options: Any) -> Any:
        logged_in.publish(REPO, {"README.md": b"theirs"})
        return create_commit(self, *args, **options)

    monkeypatch.setattr(HfApi, "create_commit", too_late)
    with pytest.raises(HubError, match="changed by somebody else"):
        trained.push_to_hub(REPO, dtype="float16")
    assert files_of(logged_in)["README.md"] == b"theirs"


def test_a_push_whose_answer_was_lost_is_known_to_have_arrived(
    logged_in: HubServer, trained: Recommender
) -> None:
    logged_in.plan(Fault("lose", "POST", "/commit/", 0, 1))
    assert trained.push_to_hub(REPO) == f"{logged_in.endpoint}/{REPO}"
    assert not logged_in.pending_faults
    assert_same_answers(trained, Recommender.from_pretrained(REPO))


def test_a_push_of_which_nothing_is_known_says_so(
    logged_in: HubServer, trained: Recommender
) -> None:
    logged_in.plan(Fault("lose", "POST", "/commit/", 0, 1))
    logged_in.plan(Fault("refuse", "GET", "/api/models/", 0, 100, after=2))
    with pytest.raises(HubError, match="Whether the files arrived could not be seen; look at"):
        trained.push_to_hub(REPO)


def test_what_does_not_exist_is_named(logged_in: HubServer, trained: Recommender) -> None:
    trained.push_to_hub(REPO)
    with pytest.raises(HubError, match="user/movies has no branch, tag or commit 'v9'"):
        Recommender.from_pretrained(REPO, revision="v9")
    for name in ("../up", "/absolute", "a/b/c", "user/..", "user/.hidden/x"):
        with pytest.raises(ModelFormatError, match="missing"):
            Recommender.from_pretrained(name)
        with pytest.raises(ValueError, match="no name of a repository"):
            trained.push_to_hub(name)
