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

# The floors of the house, from what everything may know to what people start.
FLOORS = {
    name: floor
    for floor, names in enumerate(
        [
            ["ratings", "errors", "facts", "titles", "processes"],
            ["datasets", "history", "catalogue", "features", "regression"],
            [
                "solver",
                "threads",
                "baselines",
                "filters",
                "visitors",
                "top_n",
                "weights_file",
                "table_files",
                "parquet_footer",
                "profiles",
            ],
            ["models", "model_folder", "config_schema", "card", "hub", "hub_errors"],
            [
                "",
                "recommender",
                "trained_model",
                "heads",
                "persistence",
                "fastai_learner",
                "calibration",
            ],
            ["training", "settings", "evaluation", "spark"],
            ["publish", "space", "space_files"],
            ["cli"],
        ]
    )
    for name in names
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


def test_every_part_has_a_floor() -> None:
    homeless = {part_of(name_of(path)) for path in MODULES} - FLOORS.keys()
    assert not homeless, "say in FLOORS on which floor it stands"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_imports_from_a_floor_above(path: Path) -> None:
    own = FLOORS[part_of(name_of(path))]
    above = {
        module
        for module in imported_by(path)
        if module.split(".")[0] == "hf_cf" and FLOORS[part_of(module)] > own
    }
    assert not above


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
    assert not loaded & {"sympy"}


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
