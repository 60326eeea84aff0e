"""A search for hyperparameters: what it finds, keeps, goes on with and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import hf_cf
from hf_cf.cli import main
from hf_cf.training import fit
from hf_cf.training.tuning import LISTS, SPACES, tune

Split = tuple[hf_cf.Ratings, hf_cf.Ratings]


@pytest.fixture(scope="module")
def few(sample: hf_cf.Ratings) -> Split:
    return sample.take(sample.user_codes <= 60).split(seed=0)


def test_the_defaults_come_first_and_the_best_is_no_worse(few: Split, tmp_path: Path) -> None:
    found = tune(*few, tmp_path, "als", trials=4, progress=False)
    default = fit(*few, "als", ranking=None, progress=False)
    assert found.default_value == pytest.approx(default.metrics["valid_rmse"], rel=1e-6)
    again = fit(*few, "als", ranking=None, progress=False, **found.settings)
    assert found.value == pytest.approx(again.metrics["valid_rmse"], rel=1e-6)
    assert found.value <= found.default_value
    trials = pd.read_csv(tmp_path / "tuning.csv")
    assert len(trials) == found.n_trials == 4
    assert trials["valid_rmse"].min() == pytest.approx(found.value)
    assert set(SPACES["als"]) <= set(trials)
    best = json.loads((tmp_path / "tuning.json").read_text())
    assert best["settings"] == found.settings
    assert (best["model"], best["objective"], best["trials"]) == ("als", "stars", 4)


def test_it_goes_on_where_it_stopped(few: Split, tmp_path: Path) -> None:
    tune(*few, tmp_path, "als", trials=2, progress=False)
    before = pd.read_csv(tmp_path / "tuning.csv")
    found = tune(*few, tmp_path, "als", trials=3, progress=False)
    after = pd.read_csv(tmp_path / "tuning.csv")
    assert found.n_trials == 3
    pd.testing.assert_frame_equal(after.iloc[:2], before)


def test_an_interrupted_trial_is_not_lost_time_for_the_next_search(
    few: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("hf_cf.training.tuning.fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tune(*few, tmp_path, "als", trials=2, progress=False)
    found = tune(*few, tmp_path, "als", trials=2, progress=False)
    assert found.n_trials == 2
    default = fit(*few, "als", ranking=None, progress=False)  # the first trial all the same
    assert found.default_value == pytest.approx(default.metrics["valid_rmse"], rel=1e-6)


def test_another_question_needs_another_folder(few: Split, tmp_path: Path) -> None:
    tune(*few, tmp_path, "als", trials=1, progress=False)
    for model, fixed in (("dot_product", {}), ("als", {"n_factors": 7})):
        with pytest.raises(ValueError, match="choose another folder"):
            tune(*few, tmp_path, model, trials=2, progress=False, **fixed)


def test_what_is_fixed_is_not_searched(few: Split, tmp_path: Path) -> None:
    found = tune(*few, tmp_path, "als", trials=2, progress=False, n_factors=7)
    assert found.settings["n_factors"] == 7
    assert "n_factors" not in pd.read_csv(tmp_path / "tuning.csv")


def test_bad_trials_of_a_network_are_pruned(few: Split, tmp_path: Path) -> None:
    fixed = {"n_factors": 5, "epochs": 4, "batch_size": 2048}
    found = tune(*few, tmp_path, "collab_learner", trials=10, progress=False, **fixed)
    states = pd.read_csv(tmp_path / "tuning.csv")["state"]
    assert found.n_trials == 10
    assert set(states) == {"complete", "pruned"}
    assert states[0] == "complete"


def test_lists_are_tuned_by_ndcg_also_without_stars(few: Split, tmp_path: Path) -> None:
    found = tune(*few, tmp_path / "stars", objective="lists", trials=2, progress=False)
    assert set(found.settings) == set(LISTS)
    assert found.value >= found.default_value > 0
    likes = hf_cf.Ratings.from_frame(
        few[0].to_frame()[["user", "item"]].drop_duplicates(), feedback="implicit"
    )
    found = tune(*likes.split(seed=0), tmp_path / "likes", trials=1, progress=False)
    assert set(found.settings) == set(LISTS)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"objective": "speed"}, "choose from stars, lists"),
        ({"minutes": 0}, "above 0"),
        ({"trials": 0}, "at least 1"),
        ({"objective": "lists", "n_hidden": 3}, "no setting 'n_hidden'"),
        ({"model": "alls"}, "alls"),
        ({"model": "als", "objective": "lists"}, "leave model out"),
    ],
)
def test_what_cannot_be_tuned_is_said_before_anything_is_written(
    few: Split, tmp_path: Path, options: dict[str, object], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        tune(*few, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_train_takes_what_tune_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], few: Split
) -> None:
    few[0].to_frame().to_csv(tmp_path / "ratings.csv", index=False)
    data = ["--data", str(tmp_path / "ratings.csv")]
    out = tmp_path / "tuned"
    assert main(["tune", *data, "--model", "als", "--trials", "2", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"hf-cf train --settings {out / 'tuning.json'}" in said
    best = json.loads((out / "tuning.json").read_text())
    settings = ["--settings", str(out / "tuning.json")]
    assert main(["train", *data, *settings, "--out", str(tmp_path / "model"), "--quiet"]) == 0
    report = json.loads((tmp_path / "model" / "metrics.json").read_text())
    assert report["settings"]["model"] == "als"
    assert best["settings"].items() <= report["settings"].items()
    assert report["final"]["valid_rmse"] == pytest.approx(best["value"], rel=1e-6)

    (out / "tuning.json").write_text("[]")
    assert main(["train", *data, *settings, "--out", str(tmp_path / "no"), "--quiet"]) == 1
    assert "not what hf-cf tune writes" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_callbacks_of_fastai_join_the_training(few: Split) -> None:
    from fastai.callback.core import Callback

    class Seen(Callback):
        epochs = 0

        def after_epoch(self) -> None:
            self.epochs += 1

    seen = Seen()
    fit(*few, epochs=2, ranking=None, progress=False, cbs=[seen])
    assert seen.epochs == 2
    with pytest.raises(ValueError, match="fastai does not train this model"):
        fit(*few, "als", progress=False, cbs=[seen])
