"""Models to the Hub and back, through the real client and a server that can fail."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from altered import altered
from hub_server import Fault, HubServer, environment
from huggingface_hub import HfApi, constants, hf_hub_download
from safetensors.torch import load_file

import hf_cf
from hf_cf import HubError, ModelFormatError, Recommender
from hf_cf.cli import main
from hf_cf.storage import hub_errors
from hf_cf.storage.publishing import pull, push_folder

REPO = "user/movies"
VISITOR = {"Alien (1979)": 5, "Heat (1995)": 2}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:httpx2")


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_errors, "WAITS", (0.0, 0.0))


@pytest.fixture
def logged_in(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return hub


@pytest.fixture
def unlicensed(trained: Recommender) -> Recommender:
    """The same model, from data that may not be passed on."""
    return with_source(trained, redistributable=False, name="ml-100k")


def with_source(rec: Recommender, **changed: Any) -> Recommender:
    return altered(rec, source=replace(rec.source, **changed))


def files_of(hub: HubServer, revision: str = "main") -> dict[str, bytes]:
    api = HfApi(token=hub.token)
    return {
        name: Path(hf_hub_download(REPO, name, revision=revision, token=hub.token)).read_bytes()
        for name in api.list_repo_files(REPO, revision=revision)
    }


def assert_same_answers(one: Recommender, other: Recommender) -> None:
    users, items = one.users.ids[:40], one.items.ids[:40]
    assert np.array_equal(one.predict(users, items), other.predict(users, items))
    pd.testing.assert_frame_equal(
        one.recommend(user=users, include_rated=True),
        other.recommend(user=users, include_rated=True),
        check_exact=True,
    )
    pd.testing.assert_frame_equal(
        one.recommend(ratings=VISITOR), other.recommend(ratings=VISITOR), check_exact=True
    )
    pd.testing.assert_frame_equal(
        one.similar("Heat (1995)"), other.similar("Heat (1995)"), check_exact=True
    )


def test_a_model_comes_back_bit_by_bit(logged_in: HubServer, trained: Recommender) -> None:
    address = trained.push_to_hub(REPO)
    assert address == f"{logged_in.endpoint}/{REPO}"
    assert_same_answers(trained, Recommender.from_pretrained(REPO))


def test_all_files_go_up_in_one_commit(logged_in: HubServer, trained: Recommender) -> None:
    trained.push_to_hub(REPO, commit_message="First")
    history = HfApi().list_repo_commits(REPO)
    assert [commit.title for commit in history][:-1] == ["First"]


def test_other_tools_open_the_files(logged_in: HubServer, trained: Recommender) -> None:
    trained.push_to_hub(REPO)
    weights = load_file(hf_hub_download(REPO, "model.safetensors"))
    assert weights["rating.i_weight.weight"].shape == (
        len(trained.items),
        trained.model.settings["n_factors"],
    )
    items = pd.read_parquet(hf_hub_download(REPO, "items.parquet"))
    assert items["title"].tolist() == trained.catalogue["title"].tolist()
    history = pd.read_parquet(hf_hub_download(REPO, "history.parquet"))
    assert len(history) == len(trained.history)
    config = json.loads(Path(hf_hub_download(REPO, "config.json")).read_text())
    assert config["rating"]["model"] == "collab_learner"


def test_what_goes_up_is_said_first(
    logged_in: HubServer, trained: Recommender, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.push_to_hub(REPO, include_history=False)
    said = capsys.readouterr().out
    assert "To user/movies:" in said
    assert "model.safetensors" in said and " kB" in said
    assert "history.parquet              -  left out" in said
    assert "held_out.parquet             -  left out" in said


def test_a_branch_is_created_and_main_stays(logged_in: HubServer, trained: Recommender) -> None:
    trained.push_to_hub(REPO)
    address = trained.push_to_hub(REPO, revision="small", dtype="float16")
    assert address.endswith("/user/movies/tree/small")
    main, small = files_of(logged_in), files_of(logged_in, "small")
    assert len(small["model.safetensors"]) < 0.6 * len(main["model.safetensors"])
    assert Recommender.from_pretrained(REPO, revision="small").model.name == "collab_learner"


def test_a_pull_request_leaves_main_alone(logged_in: HubServer, trained: Recommender) -> None:
    trained.push_to_hub(REPO)
    before = files_of(logged_in)
    address = trained.push_to_hub(REPO, create_pr=True, include_history=False)
    assert "discussions/1" in address
    assert files_of(logged_in) == before
    assert Recommender.from_pretrained(REPO, revision="refs/pr/1").history is None


def test_a_private_model_is_for_its_owner(
    hub: HubServer, trained: Recommender, tmp_path: Path
) -> None:
    trained.push_to_hub(REPO, private=True, token=hub.token)
    assert Recommender.from_pretrained(REPO, token=hub.token).users == trained.users
    with pytest.raises(HubError, match="no folder user/movies here, and the Hub shows no model"):
        Recommender.from_pretrained(REPO, token=hub.stranger_token, cache_dir=tmp_path)


def test_private_is_not_ignored_where_the_repository_is_public(
    logged_in: HubServer, trained: Recommender
) -> None:
    trained.push_to_hub(REPO)
    before = files_of(logged_in)
    with pytest.raises(HubError, match="exists and is public"):
        trained.push_to_hub(REPO, private=True, include_history=False)
    assert files_of(logged_in) == before


def test_a_name_without_owner_is_the_users(logged_in: HubServer, trained: Recommender) -> None:
    assert trained.push_to_hub("movies") == f"{logged_in.endpoint}/user/movies"


def test_what_the_model_lacks_now_is_removed(logged_in: HubServer, trained: Recommender) -> None:
    trained.push_to_hub(REPO)
    assert files_of(logged_in).keys() >= {"history.parquet", "held_out.parquet"}
    HfApi().upload_file(path_or_fileobj=b"mine", path_in_repo="notes.txt", repo_id=REPO)
    trained.push_to_hub(REPO, include_history=False)
    assert not files_of(logged_in).keys() & {"history.parquet", "held_out.parquet"}
    assert files_of(logged_in)["notes.txt"] == b"mine"


# Licence and privacy


def test_history_stays_out_where_the_licence_forbids_it(
    logged_in: HubServer, unlicensed: Recommender
) -> None:
    with pytest.warns(UserWarning, match=r"licence of ml-100k .* history.parquet"):
        unlicensed.push_to_hub(REPO)
    assert "history.parquet" not in files_of(logged_in)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        unlicensed.push_to_hub(REPO, include_history=True)
    assert "history.parquet" in files_of(logged_in)


def test_without_history_it_is_said_once_that_seen_films_may_appear(
    unlicensed: Recommender, sample: hf_cf.Ratings, tmp_path: Path
) -> None:
    unlicensed.save_pretrained(tmp_path, include_history=False)
    loaded = Recommender.from_pretrained(tmp_path)
    with pytest.warns(UserWarning, match=r'attach_history\(hf_cf.load_ratings\("ml-100k"\)\)'):
        loaded.recommend(user=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded.recommend(user=2)
        loaded.attach_history(sample)
        seen = set(sample.item_codes[sample.user_codes == 1])
        shown = loaded.items.encode(loaded.recommend(user=1, n=500)["item"])
    assert not seen & set(shown)


def test_history_of_other_data_is_refused(trained: Recommender, tmp_path: Path) -> None:
    trained.save_pretrained(tmp_path, include_history=False)
    frame = pd.DataFrame({"user": ["somebody"], "item": ["something"], "rating": [3.0]})
    with pytest.raises(ValueError, match="none of these ratings"):
        Recommender.from_pretrained(tmp_path).attach_history(hf_cf.Ratings.from_frame(frame))


def test_without_users_visitors_are_served_as_before(trained: Recommender, tmp_path: Path) -> None:
    trained.save_pretrained(tmp_path / "all")
    trained.save_pretrained(tmp_path / "none", include_users=False)
    loaded = Recommender.from_pretrained(tmp_path / "none")
    pd.testing.assert_frame_equal(
        loaded.recommend(ratings=VISITOR), trained.recommend(ratings=VISITOR), check_exact=True
    )
    with pytest.raises(hf_cf.UnknownUser):
        loaded.recommend(user=1)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("all", "none")]
    rows = len(trained.users) - 1
    assert sizes[0] - sizes[1] >= rows * 50 * 4
    assert not (tmp_path / "none" / "history.parquet").exists()


def test_float16_halves_the_tables_and_keeps_the_error(
    trained: Recommender, sample: hf_cf.Ratings, tmp_path: Path
) -> None:
    trained.save_pretrained(tmp_path, dtype="float16")
    frame = sample.split(seed=0)[1].to_frame()
    loaded = Recommender.from_pretrained(tmp_path)
    rmse = [
        float(np.sqrt(np.mean((rec.predict(frame["user"], frame["item"]) - frame["rating"]) ** 2)))
        for rec in (trained, loaded)
    ]
    assert abs(rmse[0] - rmse[1]) <= 0.0005
    with pytest.raises(ValueError, match="float32, float16"):
        trained.save_pretrained(tmp_path, dtype="float8")  # type: ignore[arg-type]


# Tokens


def test_without_a_token_it_is_said_how_to_get_one(hub: HubServer, trained: Recommender) -> None:
    with pytest.raises(HubError, match=r"hf auth login.*HF_TOKEN.*token="):
        trained.push_to_hub(REPO)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("who", "message"),
    [("stranger_token", "write access"), ("read_token", "write access"), ("", "not accept")],
)
def test_a_token_that_may_not_write_is_named_as_the_reason(
    hub: HubServer, trained: Recommender, who: str, message: str
) -> None:
    trained.push_to_hub(REPO, token=hub.token)
    before = files_of(hub)
    with pytest.raises(HubError, match=message):
        trained.push_to_hub(
            REPO, token=getattr(hub, who) if who else "hf_wrong", include_history=False
        )
    assert files_of(hub) == before


def test_no_token_is_written_or_said(
    logged_in: HubServer, trained: Recommender, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    token = logged_in.token
    said = []
    trained.push_to_hub(REPO, token=token)
    Recommender.from_pretrained(REPO, token=token).save_pretrained(tmp_path / "copy")
    pull(REPO, tmp_path / "pulled")
    logged_in.fail_next("POST", "/commit/", status=500)
    for attempt in (
        lambda: trained.push_to_hub(REPO, token=token, include_history=False),
        lambda: trained.push_to_hub("stranger/movies", token=token),
        lambda: Recommender.from_pretrained("stranger/none", token=token),
    ):
        with pytest.raises(HubError) as caught:
            attempt()
        said.append(str(caught.value))
    captured = capsys.readouterr()
    said += [captured.out, captured.err, caplog.text]
    assert not any(token in text for text in said)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "config.json" for path in written)
    assert not any(token.encode() in path.read_bytes() for path in written)


# Cache and faults


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


# The command line


def test_push_and_pull_are_commands(
    logged_in: HubServer, trained: Recommender, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.save_pretrained(tmp_path / "model")
    assert main(["push", str(tmp_path / "model"), REPO, "--no-history", "--message", "Try"]) == 0
    assert f"Published: {logged_in.endpoint}/{REPO}" in capsys.readouterr().out
    assert main(["pull", REPO, str(tmp_path / "back")]) == 0
    remote = files_of(logged_in)
    names = {path.name for path in (tmp_path / "back").iterdir()}
    assert names == remote.keys() - {".gitattributes"}
    assert all((tmp_path / "back" / name).read_bytes() == remote[name] for name in names)


def test_a_pull_replaces_the_model_that_was_there(
    logged_in: HubServer, trained: Recommender, tmp_path: Path
) -> None:
    trained.save_pretrained(tmp_path)
    trained.push_to_hub(REPO, include_history=False)
    pull(REPO, tmp_path)
    assert not (tmp_path / "history.parquet").exists()
    logged_in.publish(REPO, {"config.json": b"{}"})
    with pytest.raises(ModelFormatError):
        pull(REPO, tmp_path)
    assert Recommender.from_pretrained(tmp_path).history is None


def test_a_broken_folder_is_not_pushed(logged_in: HubServer, tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError):
        push_folder(tmp_path, REPO)
    assert logged_in.requests == []


def test_pushing_without_a_token_exits_with_a_message(
    hub: HubServer, trained: Recommender, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.save_pretrained(tmp_path)
    assert main(["push", str(tmp_path), REPO]) == 1
    assert "hf auth login" in capsys.readouterr().err


def test_training_ends_on_the_hub(
    logged_in: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model"
    flags = ["--epochs", "1", "--quiet", "--out", str(out), "--push-to-hub", REPO, "--private"]
    assert main(["train", *flags, "--revision", "v1", "--no-history"]) == 0
    assert f"Published: {logged_in.endpoint}/{REPO}/tree/v1" in capsys.readouterr().out
    assert HfApi(token=logged_in.token).model_info(REPO).private
    loaded = Recommender.from_pretrained(REPO, revision="v1")
    assert_same_answers(Recommender.from_pretrained(out), loaded)


def test_training_does_not_start_without_a_token(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--out", str(tmp_path / "model"), "--push-to-hub", REPO]) == 1
    assert "hf auth login" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
