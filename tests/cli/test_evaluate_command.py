"""``hf-cf evaluate``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hf_cf
from hf_cf.cli import main
from hf_cf.evaluation import evaluate
from hf_cf.training import fit


@pytest.fixture(scope="module")
def folder(trained: hf_cf.Recommender, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model")
    trained.save_pretrained(path)
    return str(path)


def command(folder: str, *more: str) -> int:
    return main(
        ["evaluate", "--model", folder, "--data", "sample", "--resamples", "20", "--quiet", *more]
    )


def test_it_prints_the_model_beside_the_baselines(
    folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert command(folder, "--split-seed", "0") == 0
    shown = capsys.readouterr().out
    for words in (
        "synthetic", "most popular", "item mean", "damped biases", "rmse", "ndcg", "gini",
        "RMSE by user activity", "RMSE by item popularity", "50 to 99", "95% interval",
    ):  # fmt: skip
        assert words in shown


def test_its_json_is_what_evaluate_finds(
    folder: str,
    trained: hf_cf.Recommender,
    sample: hf_cf.Ratings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "new" / "evaluation.json"
    assert command(folder, "--split-seed", "0", "--k", "5", "--json", "--out", str(out)) == 0
    found = json.loads(capsys.readouterr().out)
    assert json.loads(out.read_text("utf-8")) == found
    assert [path.name for path in out.parent.iterdir()] == ["evaluation.json"]
    expected = evaluate(trained, None, sample.split(seed=0)[1], k=5, resamples=20)
    assert found["measurements"] == expected.to_dict()["measurements"]
    assert found["protocol"]["k"] == 5


def test_held_out_ratings_can_come_from_a_file(
    folder: str, sample: hf_cf.Ratings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    test = tmp_path / "test.csv"
    sample.split(seed=0)[1].to_frame().to_csv(test, index=False)
    assert command(folder, "--split-seed", "0", "--json") == 0
    by_split = json.loads(capsys.readouterr().out)
    assert command(folder, "--test", str(test), "--json") == 0
    assert json.loads(capsys.readouterr().out) == by_split


def test_another_split_than_that_of_the_training_is_noticed(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(folder, "--split-seed", "1", "--json") == 0
    assert "they are in the training ratings" in capsys.readouterr().err


def test_options_of_the_lists_are_passed_on(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--order-by", "stars", "--novelty", "0.5", "--relevant-from", "5"]
    assert command(folder, "--split-seed", "0", "--json", *options) == 0
    protocol = json.loads(capsys.readouterr().out)["protocol"]
    assert protocol["recommend"] == {"order_by": "stars", "novelty": 0.5, "diversity": 0.0}
    assert protocol["relevant_from"] == 5


def test_nothing_held_out_is_said(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(folder, "--valid-pct", "0") == 1
    assert "--test FILE" in capsys.readouterr().err


def test_cold_start_serves_people_who_were_not_trained_on(
    folder: str, sample: hf_cf.Ratings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = sample.split(seed=42, by="user")
    fit(train, test, epochs=1, n_factors=5, progress=False).save_pretrained(tmp_path / "model")
    options = ["--cold-start", "--split", "user"]
    assert command(str(tmp_path / "model"), *options) == 0
    shown = capsys.readouterr().out
    for words in ("RMSE in stars", "nDCG@10", "ratings given", "damped biases", "most popular"):
        assert words in shown
    assert command(str(tmp_path / "model"), *options, "--json") == 0
    assert json.loads(capsys.readouterr().out)["protocol"]["model"] == "collab_learner"
    assert command(folder, "--cold-start", "--split-seed", "0") == 1
    assert "--split user" in capsys.readouterr().err
