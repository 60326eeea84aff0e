"""The folder of a Space: what is in it, and that it runs where nothing else is."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from gradio_client import Client
from hub_server import card_findings
from locations import ROOT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import hf_cf
from hf_cf import Recommender
from hf_cf.cli import main
from hf_cf.space.files import export_space, space_files

# What we need of that which the Hub installs beside the requirements of a Gradio Space.
BY_THE_HUB = "gradio[mcp]=={sdk_version}"


def text_of(path: str, **options: Any) -> str:
    return space_files(**options)[path].decode()


def metadata_of(readme: str) -> dict[str, Any]:
    return yaml.safe_load(readme.split("---\n")[1])


def requirements() -> list[Requirement]:
    """Return what a Space asks for, without the index that PyTorch's builds come from."""
    lines = text_of("requirements.txt").splitlines()
    found = [Requirement(line) for line in lines if line and line[0].isalpha()]
    return [one for one in found if one.marker is None or one.marker.evaluate()]


def developed_with() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pins}


# What is in it


def test_the_metadata_is_what_the_hub_takes() -> None:
    readme = text_of("README.md", name="user/movie-night", model="user/movies@v1")
    assert card_findings(readme, "space") == ([], [])
    metadata = metadata_of(readme)
    assert metadata["title"] == "Movie night"
    assert metadata["models"] == ["user/movies"]
    assert metadata["sdk_version"] == developed_with()["gradio"]
    assert metadata["app_file"] in space_files()
    assert metadata["python_version"] in (ROOT / "pyproject.toml").read_text()
    assert f'"gradio[mcp]=={metadata["sdk_version"]}"' in readme
    assert "HF_CF_MODEL=user/movies@v1 python app.py" in readme


@pytest.mark.parametrize("name", [None, "user/1e3", "user/--", 'we"ird: [name]#', "Ünïcode_x"])
def test_any_name_makes_a_readme_without_blanks(name: str | None) -> None:
    readme = text_of("README.md", name=name)
    assert card_findings(readme, "space") == ([], [])
    metadata = metadata_of(readme)
    assert isinstance(metadata["title"], str) and metadata["title"]
    assert "models" not in metadata
    assert "{{" not in readme and "None" not in readme


def test_requirements_are_the_versions_that_hf_cf_is_developed_with() -> None:
    for line in text_of("requirements.txt").splitlines():
        if line[:1].isalpha():
            one = Requirement(line)
            version = developed_with()[canonicalize_name(one.name)]
            assert str(one.specifier) in (f"=={version}", f"=={version}+cpu")


def test_requirements_are_for_serving_only() -> None:
    names = {canonicalize_name(one.name) for one in requirements()}
    project = (ROOT / "pyproject.toml").read_text().partition("\ndependencies = [")[2]
    needed = re.findall(r'"([\w-]+)>=', project.partition("]")[0])
    # A Space downloads no data sets, reads no files of ratings and prints no tables.
    assert names == {*needed, "mcp"} - {"charset-normalizer", "pooch", "rich", "shtab"}


def test_torch_is_the_build_without_cuda() -> None:
    text = text_of("requirements.txt")
    assert "--extra-index-url https://download.pytorch.org/whl/cpu\n" in text
    assert re.search(r'^torch==[\d.]+\+cpu; sys_platform == "linux"$', text, re.MULTILINE)


def test_the_package_is_whole_and_nothing_else_is_there() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "hf_cf"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    files = space_files()
    own = {"app.py", "README.md", "requirements.txt", "hf_cf/model_card.md"}
    assert files.keys() == {*listed, *own}
    assert files["hf_cf/model_card.md"] == (ROOT / "model_card.md").read_bytes()


@pytest.mark.slow
def test_an_installed_package_can_export_too(tmp_path: Path) -> None:
    clone, wheels = tmp_path / "clone", tmp_path / "wheels"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    pip = [sys.executable, "-m", "pip", "wheel", ".", "--quiet", "--no-deps"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--wheel-dir", str(wheels)], cwd=clone, check=True
    )
    (wheel,) = wheels.iterdir()
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    code = f"from hf_cf.space.files import export_space; export_space({str(tmp_path / 'space')!r})"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert contents(tmp_path / "space") == space_files("space")


# Writing it


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_exporting_is_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new" / "movie-night"
    assert main(["space", "export", str(folder), "--model", "user/movies"]) == 0
    assert f"in {folder}" in capsys.readouterr().out
    assert contents(folder) == space_files("movie-night", "user/movies")


def test_exporting_again_replaces_what_is_ours_and_leaves_the_rest(tmp_path: Path) -> None:
    export_space(tmp_path)
    for name in ("hf_cf/no_longer.py", "hf_cf/__pycache__/x.pyc", "packages.txt", "app.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old")
    export_space(tmp_path)
    more = contents(tmp_path).keys() - space_files().keys()
    assert more == {"hf_cf/__pycache__/x.pyc", "packages.txt"}
    assert contents(tmp_path)["app.py"] == space_files()["app.py"]


def test_other_peoples_files_are_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "README.md").write_text("# My project\n")
    assert main(["space", "export", str(tmp_path)]) == 1
    assert f"{tmp_path} holds something else" in capsys.readouterr().err
    assert contents(tmp_path) == {"README.md": b"# My project\n"}
    assert main(["space", "export", str(tmp_path / "README.md")]) == 1
    assert "README.md is a file" in capsys.readouterr().err


# Running it


def installed_for(wanted: list[Requirement], extra: str = "") -> set[str]:
    """Name the distributions that requirements bring; their versions must fit, as pip would ask."""
    names, left = set[str](), [(one, extra) for one in wanted]
    seen = set[tuple[str, str]]()
    while left:
        one, extra = left.pop()
        if one.marker is not None and not one.marker.evaluate({"extra": extra}):
            continue
        found = distribution(one.name)
        # Which build of PyTorch is here, with CUDA or without, is no matter.
        versions = SpecifierSet(re.sub(r"\+\w+", "", str(one.specifier)))
        assert versions.contains(found.version, prereleases=True), f"{one}, {found.version}"
        names.add(canonicalize_name(one.name))
        for wish in {"", *one.extras}:
            if (one.name, wish) not in seen:
                seen.add((one.name, wish))
                left += [(Requirement(text), wish) for text in found.requires or ()]
    return names


# The rest runs with the versions of constraints.txt, which are those of the requirements.


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that sees nothing but what a Space would have installed.

    What pip would install is here already in the same versions, so it is linked: downloading it
    again takes minutes.
    """
    folder = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    sdk_version = metadata_of(text_of("README.md"))["sdk_version"]
    hub = Requirement(BY_THE_HUB.format(sdk_version=sdk_version))
    for name in installed_for([*requirements(), hub]):
        files = distribution(name).files or []
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(str(distribution(name).locate_file(top)))
    return folder / "bin" / "python"


@pytest.fixture
def address(python: Path, trained: Recommender, tmp_path: Path) -> Iterator[str]:
    """A Space that was exported and started, with the sample's model."""
    trained.save_pretrained(tmp_path / "model")
    export_space(tmp_path / "space")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "OMP_NUM_THREADS": "1",
        "HF_CF_MODEL": str(tmp_path / "model"), "HF_HUB_OFFLINE": "1",
        "GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False",
    }  # fmt: skip
    log = tmp_path / "log.txt"
    with log.open("w") as said:
        process = subprocess.Popen(
            [str(python), "app.py"], cwd=tmp_path / "space", env=environment,
            stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 180
        while not answers(url):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=30).close()
    except OSError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.developed
def test_the_exported_folder_runs_on_what_its_requirements_name(
    address: str, trained: Recommender
) -> None:
    with urllib.request.urlopen(f"{address}/gradio_api/info") as answer:
        assert "/recommend" in json.load(answer)["named_endpoints"]
    client = Client(address, verbose=False)
    ratings = {"Alien (1979)": 5, "Heat (1995)": 2}
    cards = client.predict(ratings, api_name="/recommend")
    expected = trained.recommend(ratings=ratings, n=len(cards), familiarity="mix")
    assert [card["title"] for card in cards] == expected["title"].tolist()


@pytest.mark.slow
@pytest.mark.developed
def test_it_imports_nothing_from_the_repository(python: Path, tmp_path: Path) -> None:
    export_space(tmp_path)
    code = (
        "import importlib.util, hf_cf.space.app\n"
        "print(hf_cf.__file__)\n"
        "print([name for name in ('fastai', 'matplotlib', 'pooch') if "
        "importlib.util.find_spec(name)])"
    )
    done = subprocess.run(
        [str(python), "-c", code], cwd=tmp_path, env={"PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines() == [str(tmp_path / "hf_cf" / "__init__.py"), "[]"], done.stderr
    assert Path(hf_cf.__file__).parent != tmp_path / "hf_cf"
