"""What the README tells people to type works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_examples import examples, page_of, run, run_in_order
from hub_server import HubServer
from hub_server import environment as client_environment
from locations import ROOT

import hf_cf

README = (ROOT / "README.md").read_text("utf-8")


def test_the_quick_start_has_five_lines() -> None:
    for example in examples("README.md", "python"):
        assert len([line for line in example.code.splitlines() if line.strip()]) <= 5


def test_the_publishing_commands(
    hub: HubServer, trained: hf_cf.Recommender, tmp_path: Path
) -> None:
    trained.save_pretrained(tmp_path / "models" / "movies")
    variables = client_environment(hub, tmp_path / "home", token=hub.token)
    for example in examples("README.md", "hub"):
        login, *commands = example.code.splitlines()
        run([*login.split(), "--help"], tmp_path, variables)  # the token is there already
        run(["bash", "-euc", "\n".join(commands)], tmp_path, variables)
    assert "model.safetensors" in hub.repository("user/movies").files("main")
    assert "app.py" in hub.repository("user/movie-night", "space").files("main")


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for example in examples("README.md", "make") + examples("CONTRIBUTING.md", "make"):
        for line in example.code.splitlines():
            program, target, *_ = line.split()
            assert program == "make"
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_files_it_links_to_exist() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link


@pytest.mark.slow
def test_make_demo_in_a_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    (clone / ".venv").symlink_to(Path(sys.executable).parents[1])
    # What is installed already is not installed again: the environment counts as made.
    command = ["make", "-o", ".venv/demo", "demo"]
    assert "What to watch next" in page_of(command, clone, {"PYTHONPATH": str(clone)})
    assert (clone / "models" / "sample" / "model.safetensors").exists()


def test_from_nothing_to_a_space_of_ones_own_data(sample: hf_cf.Ratings, tmp_path: Path) -> None:
    names = sample.catalogue[["id", "title"]].replace("Alien (1979)", "Radiohead")
    names.to_csv(tmp_path / "artists.dat", sep="\t", index=False, header=False)
    plays = sample.take(sample.user_codes <= 80).to_frame()
    plays = plays.assign(weight=(200 * plays.rating).astype(int) + plays.user)
    plays = plays.rename(columns={"user": "userID", "item": "artistID"})
    plays = plays[["userID", "artistID", "weight"]]
    plays.to_csv(tmp_path / "user_artists.dat", sep="\t", index=False)
    answers, served = examples("docs/start.md", "start")
    assert "title" in run_in_order([answers], tmp_path)
    page = page_of(["bash", "-euc", served.code], tmp_path, {"PYTHONPATH": str(ROOT)})
    assert "What to listen to next" in page
