"""Spaces to the Hub, through the real client and a server that can fail."""

from __future__ import annotations

import io
import logging
import shlex
from pathlib import Path
from typing import Any

import pytest
from doc_examples import examples
from hub_server import HubServer, card_findings
from huggingface_hub import HfApi, SpaceCard

from hf_cf import HubError, Recommender
from hf_cf.cli import main
from hf_cf.space.deployment import deploy_space
from hf_cf.space.files import space_files
from hf_cf.storage import hub_errors

SPACE, MODEL = "user/movie-night", "user/movies"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:httpx2")


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_errors, "WAITS", (0.0, 0.0))


@pytest.fixture
def logged_in(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> HubServer:
    """A Hub with a model, on which somebody is logged in who has no Space yet."""
    monkeypatch.setenv("HF_TOKEN", hub.token)
    publish_model(hub)
    return hub


def publish_model(hub: HubServer, name: str = MODEL) -> None:
    # Deploying looks at names alone: the model is read when the Space starts.
    hub.publish(name, {"config.json": b"{}", "model.safetensors": b"weights"})


def files_of(hub: HubServer, name: str = SPACE) -> dict[str, bytes]:
    space = hub.repository(name, "space")
    return {path: space.read(path) for path in space.files()}


def settings_of(hub: HubServer, name: str = SPACE) -> dict[str, Any]:
    return hub.repository(name, "space").settings


def has_space(hub: HubServer, name: str = SPACE) -> bool:
    return HfApi(token=hub.token).repo_exists(name, repo_type="space")


def test_a_space_has_the_app_the_package_and_its_settings(logged_in: HubServer) -> None:
    address = deploy_space(SPACE, MODEL)
    assert address == f"{logged_in.endpoint}/spaces/{SPACE}"
    files = files_of(logged_in)
    assert files.pop(".gitattributes")
    assert files == space_files(SPACE, MODEL)
    assert {"app.py", "requirements.txt", "README.md", "hf_cf/models/solver.py"} <= files.keys()
    settings = settings_of(logged_in)
    assert settings["sdk"] == "gradio"
    assert settings["variables"]["HF_CF_MODEL"]["value"] == MODEL
    assert settings["secrets"] == {} and not settings["private"]


def test_everything_goes_up_in_one_commit(logged_in: HubServer) -> None:
    deploy_space(SPACE, MODEL)
    titles = [commit.title for commit in HfApi().list_repo_commits(SPACE, repo_type="space")]
    assert titles == ["Serve user/movies", "initial commit"]


def test_the_hub_takes_the_readme(logged_in: HubServer) -> None:
    deploy_space(SPACE, f"{MODEL}@main")
    text = files_of(logged_in)["README.md"].decode()
    assert card_findings(text, "space") == ([], [])
    data = SpaceCard(text).data
    assert (data.title, data.models, data.app_file) == ("Movie night", [MODEL], "app.py")


def test_deploying_again_replaces_what_is_ours_and_leaves_the_rest(logged_in: HubServer) -> None:
    deploy_space(SPACE, MODEL)
    theirs = {"packages.txt": b"ffmpeg", "pictures/cat.svg": b"<svg/>"}
    old = {"hf_cf/no_longer.py": b"import old", "app.py": b"old"}
    logged_in.publish(SPACE, theirs | old, "space")
    deploy_space(SPACE, f"{MODEL}@main", private=False)
    files = files_of(logged_in)
    assert files.keys() - {".gitattributes"} == space_files().keys() | theirs.keys()
    assert files["app.py"] == space_files()["app.py"]
    assert files["packages.txt"] == theirs["packages.txt"]
    assert settings_of(logged_in)["variables"]["HF_CF_MODEL"]["value"] == f"{MODEL}@main"


def test_what_is_up_to_date_is_left_alone(logged_in: HubServer) -> None:
    deploy_space(SPACE, MODEL)
    logged_in.requests.clear()
    deploy_space(SPACE, MODEL)
    written = {request.path for request in logged_in.requests if request.method != "GET"}
    # The client asks which files it has to send and the card's check; nothing restarts the Space.
    assert not any("/variables" in path or "/commit/" in path for path in written)


def test_a_private_space_is_for_its_owner(logged_in: HubServer) -> None:
    deploy_space(SPACE, MODEL, private=True)
    assert settings_of(logged_in)["private"]
    assert not HfApi(token=logged_in.stranger_token).repo_exists(SPACE, repo_type="space")


def test_private_is_not_ignored_where_the_space_is_public(logged_in: HubServer) -> None:
    deploy_space(SPACE, MODEL)
    before = files_of(logged_in)
    with pytest.raises(HubError, match="exists and is public"):
        deploy_space(SPACE, f"{MODEL}@main", private=True)
    assert files_of(logged_in) == before


def test_names_without_owner_are_the_users(logged_in: HubServer) -> None:
    assert deploy_space("movie-night", "movies").endswith(f"/spaces/{SPACE}")
    assert settings_of(logged_in)["variables"]["HF_CF_MODEL"]["value"] == MODEL


# The model


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("user/absent", HubError, r"shows no model user/absent.*hf-cf push FOLDER user/absent"),
        (f"{MODEL}@v9", HubError, r"user/movies has no branch, tag or commit 'v9'"),
        ("user/other", HubError, r"user/other is no model of hf_cf.*config.json"),
        ("./models/movies", ValueError, r"'\./models/movies' is no name .*hf-cf push FOLDER"),
    ],
)
def test_without_the_model_there_is_no_space(
    logged_in: HubServer, model: str, error: type[Exception], message: str
) -> None:
    logged_in.publish("user/other", {"model.safetensors": b"of something else"})
    with pytest.raises(error, match=message):
        deploy_space(SPACE, model)
    assert not has_space(logged_in)


def test_a_private_model_needs_a_token_for_the_space(logged_in: HubServer) -> None:
    HfApi().update_repo_settings(MODEL, private=True)
    for token, message in (
        (None, "user/movies is not open to everybody.*settings/tokens.*--secret-token.*HF_TOKEN"),
        (logged_in.stranger_token, "cannot be read with the token of the Space.*settings/tokens"),
        ("hf_wrong", "cannot be read with the token of the Space"),
    ):
        with pytest.raises(HubError, match=message):
            deploy_space(SPACE, MODEL, private=True, model_token=token)
        assert not has_space(logged_in)
    deploy_space(SPACE, MODEL, private=True, model_token=logged_in.read_token)
    assert settings_of(logged_in)["secrets"]["HF_TOKEN"]["value"] == logged_in.read_token
    deploy_space(SPACE, f"{MODEL}@main", private=True)  # it has the token already


def test_a_token_that_fails_is_refused_for_an_open_model_too(logged_in: HubServer) -> None:
    with pytest.raises(HubError, match="cannot be read with the token of the Space"):
        deploy_space(SPACE, MODEL, model_token="hf_wrong")
    assert not has_space(logged_in)


def test_a_space_of_before_is_given_the_token(logged_in: HubServer) -> None:
    deploy_space(SPACE, MODEL, private=True)
    HfApi().update_repo_settings(MODEL, private=True)
    deploy_space(SPACE, MODEL, model_token=logged_in.read_token)
    assert settings_of(logged_in)["secrets"]["HF_TOKEN"]["value"] == logged_in.read_token


def test_it_is_said_that_a_public_space_shows_a_private_model(logged_in: HubServer) -> None:
    HfApi().update_repo_settings(MODEL, private=True)
    with pytest.warns(UserWarning, match="everybody can ask user/movies.*--private"):
        deploy_space(SPACE, MODEL, model_token=logged_in.read_token)


# Tokens, and other people's Spaces


def test_without_a_token_nobody_is_asked(hub: HubServer) -> None:
    with pytest.raises(HubError, match=r"hf auth login.*HF_TOKEN"):
        deploy_space(SPACE, MODEL)
    assert hub.requests == []


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize(
    ("who", "message"),
    [
        ("read_token", r"may not write to user/movie-night; it needs write access\. Nothing"),
        ("stranger_token", r"may not write to user/movie-night; it needs write access\. Nothing"),
        ("", "does not accept the token"),
    ],
)
def test_who_may_not_write_changes_nothing(
    logged_in: HubServer, who: str, message: str, exists: bool
) -> None:
    if exists:
        deploy_space(SPACE, MODEL)
    token = getattr(logged_in, who) if who else "hf_wrong"
    with pytest.raises(HubError, match=message):
        deploy_space(SPACE, f"{MODEL}@main", token=token)
    assert has_space(logged_in) is exists
    if exists:
        assert settings_of(logged_in)["variables"]["HF_CF_MODEL"]["value"] == MODEL


def test_no_token_is_said_or_uploaded(
    logged_in: HubServer, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    HfApi().update_repo_settings(MODEL, private=True)
    tokens = (logged_in.token, logged_in.read_token, logged_in.stranger_token)
    with pytest.raises(HubError) as caught:
        deploy_space(SPACE, MODEL, private=True, model_token=logged_in.stranger_token)
    deploy_space(SPACE, MODEL, private=True, model_token=logged_in.read_token)
    captured = capsys.readouterr()
    said = str(caught.value) + captured.out + captured.err + caplog.text
    assert not any(token in said for token in tokens)
    files = files_of(logged_in).values()
    assert not any(token.encode() in content for token in tokens for content in files)


# Faults


def test_a_failure_that_passes_is_not_noticed(logged_in: HubServer) -> None:
    deploy_space(SPACE, MODEL)
    for path in ("/api/models/user/movies", f"/api/spaces/{SPACE}", "/variables", "/secrets"):
        logged_in.fail_next("GET", path, status=503)
    logged_in.fail_next("POST", "/variables", status=503)
    deploy_space(SPACE, f"{MODEL}@main")
    assert not logged_in.pending_faults


@pytest.mark.parametrize("where", ["preupload", "/commit/"])
def test_a_new_space_that_stays_empty_is_said_and_filled_the_next_time(
    logged_in: HubServer, where: str
) -> None:
    logged_in.fail_next("POST", where, status=500, times=50)
    with pytest.raises(HubError, match=r"status 500.*was created, and is empty .*again"):
        deploy_space(SPACE, MODEL)
    logged_in.pending_faults.clear()
    deploy_space(SPACE, MODEL)
    assert "app.py" in files_of(logged_in)


@pytest.mark.parametrize(
    ("where", "message"),
    [("/commit/", "Nothing was changed there"), ("/variables", "settings may be old.*again")],
)
def test_an_old_space_runs_as_before_or_is_mended_the_next_time(
    logged_in: HubServer, where: str, message: str
) -> None:
    deploy_space(SPACE, MODEL)
    before = files_of(logged_in)
    logged_in.fail_next("POST", where, status=500, times=50)
    with pytest.raises(HubError, match=f"status 500.*{message}"):
        deploy_space(SPACE, f"{MODEL}@main")
    logged_in.pending_faults.clear()
    assert settings_of(logged_in)["variables"]["HF_CF_MODEL"]["value"] == MODEL
    assert files_of(logged_in)["app.py"] == before["app.py"]
    deploy_space(SPACE, f"{MODEL}@main")
    assert settings_of(logged_in)["variables"]["HF_CF_MODEL"]["value"] == f"{MODEL}@main"


def test_a_hub_out_of_reach_is_an_error(logged_in: HubServer) -> None:
    logged_in.stop()
    with pytest.raises(HubError, match=r"cannot be reached for user/movies\. No Space was made"):
        deploy_space(SPACE, MODEL)


# The command line


def test_deploying_is_a_command(
    logged_in: HubServer, trained: Recommender, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.push_to_hub("user/real", include_history=False)
    assert main(["space", "deploy", SPACE, "--model", "user/real", "--private"]) == 0
    assert f"{logged_in.endpoint}/spaces/{SPACE}\n" in capsys.readouterr().out
    assert settings_of(logged_in)["private"]


def test_the_token_for_the_space_is_asked_for(
    logged_in: HubServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    HfApi().update_repo_settings(MODEL, private=True)
    command = ["space", "deploy", SPACE, "--model", MODEL, "--private"]
    assert main(command) == 1
    assert "--secret-token" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert main([*command, "--secret-token"]) == 1
    assert "no token was given" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{logged_in.read_token}\n"))
    assert main([*command, "--secret-token"]) == 0
    assert settings_of(logged_in)["secrets"]["HF_TOKEN"]["value"] == logged_in.read_token


def test_deploying_without_a_token_exits_with_a_message(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["space", "deploy", SPACE, "--model", MODEL]) == 1
    assert "hf auth login" in capsys.readouterr().err


def test_the_commands_of_the_guide(
    logged_in: HubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands = [example.code for example in examples("docs/space.md", "hub")]
    assert len(commands) == 3
    monkeypatch.chdir(tmp_path)
    for command in commands:
        private = "--private" in command
        HfApi().update_repo_settings(MODEL, private=private)
        if private:
            HfApi().update_repo_settings(SPACE, private=True, repo_type="space")
        monkeypatch.setattr("sys.stdin", io.StringIO(logged_in.read_token))
        program, *arguments = shlex.split(command)
        assert (program, main(arguments)) == ("hf-cf", 0), command
    assert (tmp_path / "movie-night" / "app.py").is_file()
    assert "HF_TOKEN" in settings_of(logged_in)["secrets"]
