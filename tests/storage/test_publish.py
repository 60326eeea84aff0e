"""Models to the Hub and back, through the real client and a server that can fail."""

from __future__ import annotations

import json
import logging
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from altered import altered
from hub_server import HubServer
from huggingface_hub import HfApi, hf_hub_download
from published import REPO, files_of, logged_in
from safetensors.torch import load_file
from same_answers import assert_same_answers

import hf_cf
from hf_cf import HubError, ModelFormatError, Recommender
from hf_cf.cli import main
from hf_cf.storage.publishing import pull, push_folder

__all__ = ["logged_in"]  # the fixture

VISITOR = {"Alien (1979)": 5, "Heat (1995)": 2}

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:httpx2")


@pytest.fixture
def unlicensed(trained: Recommender) -> Recommender:
    """The same model, from data that may not be passed on."""
    return with_source(trained, redistributable=False, name="ml-100k")


def with_source(rec: Recommender, **changed: Any) -> Recommender:
    return altered(rec, source=replace(rec.source, **changed))


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
