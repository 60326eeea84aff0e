"""The command line as people and programs use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from locations import ROOT

import hf_cf
from hf_cf import Recommender
from hf_cf.cli import main
from hf_cf.training.settings import RECIPES, TrainingSettings

QUICK = ["--epochs", "1", "--n-factors", "8", "--quiet"]
COLUMNS = ["--user-col", "who", "--rating-col", "marks"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained by the command line."""
    out = tmp_path_factory.mktemp("models") / "sample"
    assert main(["train", "--data", "sample", "--out", str(out), *QUICK]) == 0
    return out


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file of somebody's own: ``who``, ``item``, ``marks``, ``timestamp``."""
    path = tmp_path_factory.mktemp("data") / "own.csv"
    table = (
        hf_cf.load_ratings("sample").to_frame().rename(columns={"user": "who", "rating": "marks"})
    )
    table[table["who"] <= 30].to_csv(path, index=False)
    return path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command on the model and give back what it printed; it must succeed."""

    def run_command(command: str, *arguments: str) -> str:
        assert main([command, "--model", str(folder), *arguments]) == 0
        return capsys.readouterr().out

    return run_command


def report(out: Path) -> dict[str, Any]:
    return json.loads((out / "metrics.json").read_text("utf-8"))


# Training


def test_training_writes_a_model_its_metrics_and_its_curves(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names >= {
        "config.json", "model.safetensors", "users.parquet", "items.parquet", "history.parquet",
        "metrics.json", "learning_curves.png",
    }  # fmt: skip
    assert not any(name.endswith(".tmp") for name in names)
    assert (folder / "learning_curves.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert len(Recommender.from_pretrained(folder).recommend(7)) == 10


def test_metrics_json_has_the_final_figures_every_epoch_and_the_settings(folder: Path) -> None:
    found = report(folder)
    assert {"valid_mse", "valid_rmse", "valid_mae", "train_mse", "seconds"} <= set(found["final"])
    assert found["final"]["valid_rmse"] ** 2 == pytest.approx(found["final"]["valid_mse"])
    assert found["final"] == Recommender.from_pretrained(folder).metrics
    start, epoch = found["epochs"]
    assert (start["epoch"], epoch["epoch"]) == (
        0,
        1,
    )
    assert {"train_loss", "valid_loss", "valid_mse", "valid_mae", "seconds"} <= set(epoch)
    assert found["settings"]["epochs"] == 1
    assert found["settings"]["n_factors"] == 8
    assert found["data"] == "sample"
    assert found["versions"]["fastai"]


@pytest.mark.slow
def test_train_py_is_the_same_command_and_its_model_is_the_same(
    folder: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "train.py", "--data", "sample", "--out", str(tmp_path / "model"), *QUICK],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "synthetic" in done.stdout
    assert "Validation: MSE" in done.stdout
    assert "Traceback" not in done.stderr
    weights = "model.safetensors"
    assert (tmp_path / "model" / weights).read_bytes() == (folder / weights).read_bytes()


def test_flags_reach_the_training(own: Path, tmp_path: Path) -> None:
    flags = [
        "--data", str(own), *COLUMNS,
        "--model", "embedding_nn", "--layers", "12", "6", "--y-range", "none", "--lr", "0.01",
        "--no-keep-best", "--schedule", "constant", "--decay", "l2", "--seed", "3",
        "--batch-size", "512", "--split", "time", "--valid-pct", "0.1", "--index",
    ]  # fmt: skip
    assert main(["train", "--out", str(tmp_path), *QUICK, *flags]) == 0
    settings = report(tmp_path)["settings"]
    assert settings["layers"] == [12, 6]
    assert settings["y_range"] is None
    assert settings["keep_best"] is False
    assert (settings["lr"], settings["seed"], settings["batch_size"]) == (0.01, 3, 512)
    assert (settings["schedule"], settings["decay"]) == ("constant", "l2")
    assert hf_cf.Recommender.from_pretrained(tmp_path).ranking.index is not None


def test_a_recipe_is_trained_with_what_is_changed_of_it(own: Path, tmp_path: Path) -> None:
    data = ["--data", str(own), *COLUMNS]
    flags = ["--recipe", "plain_pytorch_bias", "--epochs", "1", "--y-range", "0.5", "5", "--quiet"]
    assert main(["train", *data, "--out", str(tmp_path), *flags]) == 0
    expected = RECIPES["plain_pytorch_bias"].to_dict() | {"epochs": 1, "y_range": [0.5, 5.0]}
    expected["layers"] = list(expected["layers"])
    assert report(tmp_path)["settings"] == expected


def test_a_file_of_one_s_own_and_a_fixed_validation_set(own: Path, tmp_path: Path) -> None:
    table = pd.read_csv(own)
    table[table["who"] > 25].to_csv(tmp_path / "valid.csv", index=False)
    flags = [*COLUMNS, "--valid", str(tmp_path / "valid.csv"), "--out", str(tmp_path / "model")]
    assert main(["train", "--data", str(own), *flags, *QUICK]) == 0
    assert report(tmp_path / "model")["final"]["valid_mse"] > 0
    assert Recommender.from_pretrained(tmp_path / "model").users.ids.tolist() == list(range(1, 31))


def test_nothing_is_held_out_where_that_is_asked_for(own: Path, tmp_path: Path) -> None:
    data = ["--data", str(own), *COLUMNS]
    assert main(["train", *data, "--out", str(tmp_path), "--valid-pct", "0", *QUICK]) == 0
    assert not any(name.startswith("valid") for name in report(tmp_path)["final"])


def test_every_hyperparameter_is_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["train", "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    for item in fields(TrainingSettings):
        assert f"--{item.name.replace('_', '-')}" in shown


@pytest.mark.parametrize(
    "command", [[], ["train"], ["recommend"], ["similar"], ["predict"], ["questions"]]
)
def test_help_is_shown_for_every_command(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([*command, "--help"])
    assert end.value.code == 0
    assert "usage: hf-cf" in capsys.readouterr().out


# Answers


def test_recommend_prints_the_table_that_python_gives(run: Any, folder: Path) -> None:
    found = json.loads(run("recommend", "--user", "7", "-n", "4", "--json"))
    expected = Recommender.from_pretrained(folder).recommend(7, n=4)
    pd.testing.assert_frame_equal(pd.DataFrame(found), expected, check_dtype=False, atol=1e-6)


def test_n_is_never_read_as_novelty(run: Any, folder: Path) -> None:
    """``--n 1`` was taken as the beginning of ``--novelty``."""
    command = ("recommend", "--model", str(folder), "--user", "7")
    assert run(*command, "--n", "1") == run(*command, "-n", "1")


def test_recommend_serves_a_visitor(run: Any, folder: Path) -> None:
    rated = {"Alien (1979)": 5, "Heat (1995)": 1.5}
    flags = [text for item, stars in rated.items() for text in ("--rate", item, str(stars))]
    found = json.loads(run("recommend", *flags, "--json"))
    expected = Recommender.from_pretrained(folder).recommend(ratings=rated)
    assert [row["title"] for row in found] == expected["title"].tolist()


def test_a_table_for_people_shows_titles_and_two_digits(run: Any) -> None:
    shown = run("recommend", "--user", "7", "-n", "2")
    assert "title" in shown
    assert "stars" in shown
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(shown)


def test_include_rated_includes(run: Any) -> None:
    flags = ["--rate", "Alien (1979)", "5", "-n", "9999", "--json"]
    left_out = json.loads(run("recommend", *flags))
    included = json.loads(run("recommend", *flags, "--include-rated"))
    assert len(included) == len(left_out) + 1


def test_questions_are_those_that_python_asks(run: Any, folder: Path) -> None:
    rec = Recommender.from_pretrained(folder)
    first = json.loads(run("questions", "-n", "3", "--json"))
    pd.testing.assert_frame_equal(
        pd.DataFrame(first), rec.next_questions({}, n=3), check_dtype=False, atol=1e-6
    )
    flags = ["--rate", first[0]["title"], "5", "--exclude", first[1]["title"]]
    second = json.loads(run("questions", *flags, "--json"))
    expected = rec.next_questions({first[0]["item"]: 5}, exclude=[first[1]["item"]])
    assert [row["item"] for row in second] == expected["item"].tolist()
    assert expected["title"][0] in run("questions", *flags)


def test_only_the_items_of_a_file_are_ranked(
    run: Any, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    programme = tmp_path / "programme.txt"
    programme.write_text("Heat (1995)\n\n  3\nNo Such Film\n", "utf-8")
    flags = ["--user", "7", "--include-rated", "--json", "--items-in"]
    assert main(["recommend", "--model", str(folder), *flags, str(programme)]) == 0
    printed = capsys.readouterr()
    titles = {film["title"] for film in json.loads(printed.out)}
    assert titles == {"Heat (1995)", Recommender.from_pretrained(folder).catalogue["title"][3]}
    assert "1 of 3 items are not in the model: 'No Such Film'" in printed.err
    stock = tmp_path / "stock.csv"
    stock.write_text("price,title\n3,Heat (1995)\n", "utf-8")
    assert len(json.loads(run("recommend", *flags, str(stock)))) == 1
    stock.write_text("price\n3\n", "utf-8")
    assert main(["recommend", "--model", str(folder), *flags, str(stock)]) != 0
    assert "no column item, id or title; it has price" in capsys.readouterr().err


def test_similar_takes_a_title_as_typed(run: Any) -> None:
    exact = json.loads(run("similar", "Silence of the Lambs, The (1991)", "-n", "3", "--json"))
    typed = json.loads(run("similar", "silence of the lamb", "-n", "3", "--json"))
    assert exact == typed
    assert len(exact) == 3
    assert set(exact[0]) == {"item", "title", "similarity"}
    assert "Silence of the Lambs, The (1991)" in run("similar", "silence of the lamb")


def test_predict_answers_for_each_item(run: Any, folder: Path) -> None:
    items = ["Alien (1979)", "3"]
    found = json.loads(run("predict", "--user", "7", *items, "--json"))
    expected = Recommender.from_pretrained(folder).predict(7, items)
    assert [row["item"] for row in found] == items
    assert [row["stars"] for row in found] == pytest.approx(expected.tolist(), abs=1e-6)
    visitor = json.loads(run("predict", "--rate", "3", "5", "Alien (1979)", "--json"))
    assert 0.5 <= visitor[0]["stars"] <= 5


def test_all_users_go_into_a_file(run: Any, tmp_path: Path, folder: Path) -> None:
    run("recommend", "--all-users", "-n", "2", "--out", str(tmp_path / "all.parquet"))
    table = pd.read_parquet(tmp_path / "all.parquet")
    assert table["user"].nunique() == 600
    assert len(table) == 1200
    expected = Recommender.from_pretrained(folder).recommend(7, n=2)["item"]
    assert table.loc[table["user"] == 7, "item"].tolist() == expected.tolist()


# Errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["recommend", "--model", "{model}", "--user", "99999"], "no user '99999'"),
        (["recommend", "--model", "{model}"], "--user ID, or --rate"),
        (["recommend", "--model", "{model}", "--user", "7", "--rate", "3", "5"], "--user ID"),
        (["recommend", "--model", "{model}", "--rate", "the matrx", "5"], "Matrix, The (1999)"),
        (["recommend", "--model", "{model}", "--rate", "3", "9"], "not a rating from 0.5 to 5"),
        (["recommend", "--model", "{model}", "--user", "7", "-n", "0"], "n is 0"),
        (["recommend", "--model", "{model}", "--user", "7", "--genre", "Opera"], "Opera"),
        (["recommend", "--model", "{model}", "--all-users"], "--out"),
        (["questions", "--model", "{model}", "-n", "0"], "n is 0"),
        (["questions", "--model", "{model}", "--exclude", "the matrx"], "Matrix, The (1999)"),
        (["similar", "--model", "{model}", "qwzxkjhgv"], "no item 'qwzxkjhgv'"),
        (["similar", "--model", "{model}", "3", "-n", "-1"], "n is -1"),
        (["predict", "--model", "{model}", "--user", "7", "the matrx"], "Matrix, The (1999)"),
        (["recommend", "--model", "{empty}", "--user", "7"], "config.json"),
        (["train", "--data", "{empty}/nothing.csv", "--out", "{empty}/m"], "nothing.csv"),
        (["train", "--out", "{empty}/m", "--recipe", "svd"], "no recipe 'svd'"),
        (["train", "--out", "{empty}/m", "--epochs", "0"], "epochs=0"),
        (["train", "--out", "{empty}/m", "--valid-pct", "2"], "between 0 and 1"),
        (["train", "--out", "{empty}/m", "--y-range", "wide"], "--y-range wide"),
        (["train", "--out", "{empty}/m", "--y-range", "5", "0"], "y_range=(5.0, 0.0)"),
        (["train", "--out", "{empty}/m", "--user-col", "who"], "are for tables"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_answered_in_one_line(
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    filled = [text.format(model=folder, empty=tmp_path) for text in arguments]
    assert main(filled) == 1
    error = capsys.readouterr().err
    assert error.startswith("hf-cf: ")
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_a_real_process_ends_with_1_and_no_traceback(folder: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hf-cf"), "recommend", "--model", folder, "--user", "no"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("hf-cf: there is no user 'no'")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["train", "--model", "svd"], ["train", "--epochs", "many"]]
)
def test_what_is_no_command_ends_with_2_and_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: hf-cf" in capsys.readouterr().err


def test_without_fastai_train_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['fastai'] = None; from hf_cf.cli import main; "
        f"sys.exit(main(['train', '--out', {str(tmp_path / 'm')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'hf-cf[train]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [Path(sys.executable).with_name("hf-cf"), "similar", "--model", folder, "3", "--json"],
        stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_warnings_of_the_caller_are_shown_as_before(folder: Path) -> None:
    before = warnings.showwarning
    main(["predict", "--model", str(folder), "--user", "7", "3"])
    assert warnings.showwarning is before


@pytest.mark.parametrize("port", ["0", "99999", "-1", "eighty"])
def test_a_port_that_there_is_not_is_refused_before_a_model_is_loaded(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["space", "serve", "--model", "none", f"--port={port}"])
    assert end.value.code == 2
    assert f"'{port}' is no port; choose 1 to 65535" in capsys.readouterr().err
