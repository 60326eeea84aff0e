"""What `pip install` brings: the archives are whole, and work where no extra is installed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import hf_cf
from hf_cf import Recommender

ROOT = Path(__file__).parents[1]
OF_EXTRAS = ("fastai", "gradio", "matplotlib", "pyspark", "openpyxl")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it, of the files that git knows."""
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    for name in filter(None, names):
        if (ROOT / name.decode()).is_file():
            copy = source / name.decode()
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name.decode()).read_bytes())
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def run(
    archives: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the wheel's command, with the libraries of these tests but those that extras bring."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "env", with_pip=False)
    site = next((folder / "env" / "lib").glob("python*")) / "site-packages"
    zipfile.ZipFile(archives[1]).extractall(site)
    of_tests = Path(str(find_spec("pandas").origin)).parents[1]  # type: ignore[union-attr]
    (site / "libraries.pth").write_text(f"{of_tests}\n")
    (site / "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({OF_EXTRAS!r}))\n"
    )

    code = (
        "import sys; from hf_cf import cli; "
        f"assert cli.__file__.startswith({str(site)!r}); sys.exit(cli.main())"
    )
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        python = [folder / "env" / "bin" / "python", "-c", code, *arguments]
        return subprocess.run(
            python, cwd=folder, env=clean, capture_output=True, text=True, check=False
        )

    return command


def test_both_archives_are_what_an_index_takes(archives: tuple[Path, Path]) -> None:
    check = [sys.executable, "-m", "twine", "check", "--strict", *map(str, archives)]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert archives[1].name.startswith(f"hf_cf-{hf_cf.__version__}-")


def test_the_wheel_holds_the_templates_and_the_sdist_what_they_are_made_from(
    archives: tuple[Path, Path],
) -> None:
    with zipfile.ZipFile(archives[1]) as wheel:
        inside = {name: wheel.read(name) for name in wheel.namelist()}
    assert inside["hf_cf/model_card.md"] == (ROOT / "model_card.md").read_bytes()
    assert inside["hf_cf/space_template/app.py"] == (ROOT / "space" / "app.py").read_bytes()
    with tarfile.open(archives[0]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"model_card.md", "space/app.py", "CHANGELOG.md", "hf_cf/py.typed"} <= names
    assert not any("__pycache__" in name for name in inside.keys() | names)


def test_without_extras_a_model_recommends_and_what_needs_one_says_which(
    run: Callable[..., subprocess.CompletedProcess[str]], trained: Recommender, tmp_path: Path
) -> None:
    trained.save_pretrained(tmp_path / "model")
    item = str(trained.items.ids[0])
    done = run("recommend", "--model", str(tmp_path / "model"), "--rate", item, "4", "-n", "3")
    assert done.returncode == 0, done.stderr
    assert run("--version").stdout == f"hf-cf {hf_cf.__version__}\n"
    for arguments, extra in (
        (["train", "--data", "sample", "--out", str(tmp_path / "new")], "train"),
        (["spark-train", "--input", "r.parquet", "--out", str(tmp_path / "new")], "spark"),
    ):
        done = run(*arguments)
        assert done.returncode == 1
        assert f"pip install 'hf-cf[{extra}]'" in done.stderr


def test_the_lowest_versions_are_those_that_the_project_allows() -> None:
    lowest = (ROOT / "constraints-lowest.txt").read_text()
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", lowest, re.MULTILINE))
    text = (ROOT / "pyproject.toml").read_text()
    project = text.partition("\ndependencies = [")[2].partition("\ndocs = [")[0]
    bounds = {}
    for written in re.findall(r'"([\w-]+(?:\[\w+\])?>=[^"]+)"', project):
        one = Requirement(written)
        bounds[canonicalize_name(one.name)] = min(
            Version(each.version) for each in one.specifier if each.operator == ">="
        )
    found = {canonicalize_name(name): Version(low) for name, low in pins.items()}
    assert found.pop("typer")  # which is huggingface_hub's own, see there
    assert found == bounds
