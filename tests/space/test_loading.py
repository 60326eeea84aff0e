"""Which model is served, and what a Space without one says."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from calling import RATINGS, free_port, served
from hub_server import HubServer
from huggingface_hub import HfApi
from locations import ROOT

import hf_cf
from hf_cf.cli import main
from hf_cf.space.loading import load_service
from hf_cf.space.service import Service
from hf_cf.training import fit


def test_the_variable_names_a_folder(
    trained: hf_cf.Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained.save_pretrained(tmp_path / "movies")
    monkeypatch.setenv("HF_CF_MODEL", str(tmp_path / "movies"))
    service = load_service()
    assert isinstance(service, Service)
    assert (
        service.recommend(RATINGS, 3)[0]["title"]
        == Service(trained).recommend(RATINGS, 3)[0]["title"]
    )


def test_a_film_that_nobody_could_ask_for_by_name_is_served_all_the_same(
    sample: hf_cf.Ratings, tmp_path: Path
) -> None:
    catalogue = sample.catalogue.copy()
    catalogue.loc[1, "title"] = "A very " + 200 * "long "
    few = dataclasses.replace(sample, catalogue=catalogue).take(sample.user_codes < 60)
    fit(few, model="als", epochs=1, progress=False).save_pretrained(tmp_path)
    service = load_service(str(tmp_path))
    assert isinstance(service, Service)
    assert len(service.recommend({}, 3)) == 3


def test_a_name_on_the_hub_may_have_a_revision(
    hub: HubServer, trained: hf_cf.Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", hub.token)
    trained.push_to_hub("user/movies")
    HfApi().create_tag("user/movies", tag="v1")
    assert isinstance(load_service("user/movies"), Service)
    assert isinstance(load_service("user/movies@v1"), Service)
    assert "its log says more" in str(load_service("user/movies@v2"))


def test_a_model_that_does_not_load_is_said_on_the_page(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config.json").write_text("{}")
    failure = load_service(str(tmp_path))
    assert isinstance(failure, str)
    (number,) = re.findall(r"number ([0-9a-f]{8})", failure)
    assert number in caplog.text
    assert "config.json" in caplog.text
    with served(failure) as address, httpx.Client(base_url=address) as http:
        page = http.get("/")
        assert page.status_code == 200
        assert failure in page.text
        assert str(tmp_path) not in page.text
        answer = http.post("api/search", json={"text": "heat"})
        assert answer.status_code == 503
        assert answer.json()["error"] == "the model could not be loaded; the page says more"


def test_without_gradio_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['gradio'] = None; import hf_cf.space.app"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'hf-cf[space]'" in done.stderr


def test_the_command_serves_a_model_until_interrupted(
    trained: hf_cf.Recommender, tmp_path: Path
) -> None:
    trained.save_pretrained(tmp_path / "movies")
    port = free_port()
    command = [sys.executable, "-m", "hf_cf", "space", "serve", "--model", "movies"]
    with subprocess.Popen(
        [*command, "--port", str(port)], cwd=tmp_path, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        assert f"http://127.0.0.1:{port}/" in server.stdout.readline()
        transport = httpx.HTTPTransport(retries=5)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport) as http:
            assert len(http.post("api/recommend", json={"ratings": RATINGS}).json()) > 0
        server.send_signal(signal.SIGINT)
        assert (server.wait(30), server.communicate()[1]) == (0, "")


def test_the_command_says_what_is_wrong_with_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["space", "serve", "--model", str(tmp_path)]) == 1
    assert "config.json" in capsys.readouterr().err
