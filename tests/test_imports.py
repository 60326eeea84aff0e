"""Loading a model is light, and nothing knows what stands on a floor above it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import hf_cf
from hf_cf.training import fit

PACKAGE = Path(hf_cf.__file__).parent
HEAVY = {"fastai", "gradio", "matplotlib", "sklearn", "scipy", "IPython", "pyspark"}

# Each room of the house by its floor, as in DESIGN.md; arrows go down only.
FLOORS = {
    "errors": 0,
    "data": 1,
    "models": 2,
    "inference": 3,
    "storage": 3,
    "recommender": 4,
    "": 4,  # hf_cf/__init__.py, the face
    "training": 5,
    "evaluation": 5,
    "spark": 6,
    "space": 6,
    "cli": 7,
    "__main__": 8,
}

MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(module: str) -> str:
    """Name the part of the package that a module belongs to; empty for hf_cf itself."""
    return module.split(".")[1] if "." in module else ""


def name_of(path: Path) -> str:
    parts = ("hf_cf", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(path: Path) -> set[str]:
    """Collect every module that a file imports, wherever in the file."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found = {f"{node.module}.{alias.name}" for alias in node.names}
            own = {name for name in found if name in map(name_of, MODULES)}
            modules |= own or {str(node.module)}
    return modules


def arrows() -> dict[str, set[str]]:
    """Imports between modules, those under ``TYPE_CHECKING`` included."""
    names = set(map(name_of, MODULES))
    return {
        name_of(path): {
            module
            for module in imported_by(path)
            if module in names and module not in ("hf_cf", name_of(path))
        }
        for path in MODULES
        if name_of(path) != "hf_cf"
    }


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Nodes of a circle, empty where there is none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for following in sorted(graph.get(node, ())):
            if found := walk(following, [*path, node]):
                return found
        done.add(node)
        return []

    return next((found for node in sorted(graph) if (found := walk(node, []))), [])


def test_the_house_has_at_most_twelve_rooms_each_with_a_floor() -> None:
    rooms = {part_of(name_of(path)) for path in MODULES}
    assert rooms == FLOORS.keys()
    assert len(rooms - {""}) <= 12


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_imports_from_a_floor_above(path: Path) -> None:
    own = FLOORS[part_of(name_of(path))]
    above = {
        module
        for module in imported_by(path)
        if module.split(".")[0] == "hf_cf" and FLOORS[part_of(module)] > own
    }
    assert not above


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert not circle_in(arrows())


def test_no_rooms_import_each_other_in_a_circle() -> None:
    rooms: dict[str, set[str]] = {}
    for module, targets in arrows().items():
        own = part_of(module)
        rooms.setdefault(own, set()).update({part_of(target) for target in targets} - {own})
    assert not circle_in(rooms)


def test_no_file_is_longer_than_450_lines() -> None:
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > 450} == {}


def test_only_training_knows_fastai() -> None:
    knowing = {
        part_of(name_of(path))
        for path in MODULES
        if any(module.split(".")[0] == "fastai" for module in imported_by(path))
    }
    assert knowing == {"training"}


def test_only_the_space_knows_gradio() -> None:
    knowing = {
        part_of(name_of(path))
        for path in MODULES
        if any(module.split(".")[0] == "gradio" for module in imported_by(path))
    }
    assert knowing == {"space"}


def test_only_the_part_for_it_knows_spark() -> None:
    knowing = {
        part_of(name_of(path))
        for path in MODULES
        if any(module.split(".")[0] == "pyspark" for module in imported_by(path))
    }
    assert knowing == {"spark"}


def loaded_after(code: str) -> set[str]:
    """Run code in a new process and name the packages that it imported."""
    code += "\nimport json, sys; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("model", ["collab_learner", "embedding_nn"])
def test_loading_and_serving_a_model_imports_nothing_heavy(
    sample: hf_cf.Ratings, tmp_path: Path, model: str
) -> None:
    few = sample.take(sample.user_codes <= 30)
    rec = fit(few, None, model, epochs=1, n_factors=5, layers=(10, 5), progress=False)
    rec.save_pretrained(tmp_path)
    loaded = loaded_after(
        "import hf_cf\n"
        f"rec = hf_cf.Recommender.from_pretrained({str(tmp_path)!r})\n"
        "assert len(rec.recommend(7)) == len(rec.recommend(ratings={'Alien (1979)': 5})) == 10\n"
        "rec.similar('Alien (1979)'), rec.find('alien'), rec.predict(7, 3), rec.item_map()\n"
        f"rec.save_pretrained({str(tmp_path)!r})"
    )
    assert {"torch", "pandas", "hf_cf"} <= loaded
    assert not loaded & HEAVY
    # torch.func brings PyTorch's compiler with it, for which the first visitor would wait seconds.
    # Some versions bring it for modules on the meta device already.
    anyway = loaded_after(
        "import torch\nwith torch.device('meta'): torch.nn.BatchNorm1d(1), torch.zeros(1)"
    )
    assert "sympy" not in loaded - anyway


def test_the_flags_of_the_command_line_import_nothing_heavy() -> None:
    loaded = loaded_after(
        "import contextlib\n"
        "from hf_cf.cli import main\n"
        "with contextlib.suppress(SystemExit):\n"
        "    main(['train', '--help'])"
    )
    assert not loaded & HEAVY


def test_without_pyspark_its_command_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pyspark'] = None\n"
        "from hf_cf.cli import main\n"
        "sys.exit(main(['spark-train', '--input', 'ratings', '--out', 'model']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pyspark is not installed; get it with: pip install 'hf-cf[spark]'" in done.stderr
