"""Strong generalization: against a plain implementation with trec_eval, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pytrec_eval

import hf_cf
from hf_cf.cli import main
from hf_cf.evaluation import Evaluation, strong_generalization
from hf_cf.training import fit


@pytest.fixture(scope="module")
def parts(sample: hf_cf.Ratings) -> tuple[hf_cf.Ratings, hf_cf.Ratings]:
    return sample.split(0.2, seed=1, by="user")


@pytest.fixture(scope="module")
def rec(parts: tuple[hf_cf.Ratings, hf_cf.Ratings]) -> hf_cf.Recommender:
    return fit(parts[0], model="als", epochs=2, progress=False)


@pytest.fixture(scope="module")
def found(rec: hf_cf.Recommender, parts: tuple[hf_cf.Ratings, hf_cf.Ratings]) -> Evaluation:
    return strong_generalization(rec, *parts, resamples=20)


def by_hand(
    rec: hf_cf.Recommender, train: hf_cf.Ratings, test: hf_cf.Ratings
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Held-out likes, and the lists of the model and of the most popular items, as tables."""
    liked, seen = test.to_frame(), train.to_frame()
    # The order in which the protocol shuffles is its own affair: the rows that it sees are these.
    liked = liked[(liked["rating"] >= 4) & liked["item"].isin(seen["item"])]
    liked = liked[liked.groupby("user")["item"].transform("size") >= 5]
    liked = liked.iloc[np.random.default_rng(0).permutation(len(liked))]
    place = liked.groupby("user").cumcount()
    size = liked.groupby("user")["item"].transform("size")
    kept_back = place >= size - (size * 0.2 + 1e-9).astype(int)
    given, held_out = liked[~kept_back], liked[kept_back]
    counts = seen[seen["rating"] >= 4]["item"].value_counts()
    codes = {item: code for code, item in enumerate(rec.items.ids, 1)}
    order = sorted(rec.items.ids, key=lambda item: (-counts.get(item, 0), codes[item]))
    lists: dict[str, list[tuple[object, object, int]]] = {"model": [], "most popular": []}
    for user, own in given.groupby("user"):
        table = rec.recommend(ratings=own[["item", "rating"]], n=100)
        popular = [item for item in order if item not in set(own["item"])][:100]
        for system, items in (("model", table["item"].tolist()), ("most popular", popular)):
            lists[system] += [(user, item, 100 - at) for at, item in enumerate(items)]
    columns = ["user", "item", "score"]
    return held_out, {name: pd.DataFrame(rows, columns=columns) for name, rows in lists.items()}


def by_user(table: pd.DataFrame) -> dict[str, dict[str, int]]:
    rows: dict[str, dict[str, int]] = {}
    for user, item, score in zip(table["user"], table["item"], table["score"], strict=True):
        rows.setdefault(str(user), {})[str(item)] = score
    return rows


def test_figures_are_those_of_a_plain_implementation(
    rec: hf_cf.Recommender, parts: tuple[hf_cf.Ratings, hf_cf.Ratings], found: Evaluation
) -> None:
    held_out, lists = by_hand(rec, *parts)
    truth = held_out[["user", "item"]].assign(score=1)
    trec_eval = pytrec_eval.RelevanceEvaluator(by_user(truth), {"ndcg_cut_100"})
    assert found.protocol["users_ranked"] == held_out["user"].nunique()
    assert found.protocol["test_ratings"] == len(held_out)
    for system, table in lists.items():
        ndcg = np.mean([one["ndcg_cut_100"] for one in trec_eval.evaluate(by_user(table)).values()])
        assert found.value("ndcg@100", system) == pytest.approx(ndcg, abs=1e-6)
        for k in (20, 50):
            top = table[table["score"] > 100 - k]
            hits = top.merge(truth, on=["user", "item"]).groupby("user").size()
            most = truth.groupby("user").size().clip(upper=k)
            expected = (hits.reindex(most.index, fill_value=0) / most).mean()
            assert found.value(f"recall@{k}", system) == pytest.approx(expected, abs=1e-6)
    assert found.value("ndcg@100") > found.value("ndcg@100", "most popular")
    assert found.value("ips_ndcg@100") > found.value("ips_ndcg@100", "most popular")


def test_users_of_the_training_and_parameters_out_of_range_are_refused(
    rec: hf_cf.Recommender, parts: tuple[hf_cf.Ratings, hf_cf.Ratings]
) -> None:
    train, test = parts
    with pytest.raises(ValueError, match="have ratings in training; split with by="):
        strong_generalization(rec, train, train)
    with pytest.raises(ValueError, match="observed is 1"):
        strong_generalization(rec, train, test, observed=1)
    with pytest.raises(ValueError, match="at_least is 1"):
        strong_generalization(rec, train, test, at_least=1)
    with pytest.raises(ValueError, match="no held-out user has 10000 ratings of 4 and more"):
        strong_generalization(rec, train, test, at_least=10_000)


def test_the_command_line_prints_what_python_gives(
    rec: hf_cf.Recommender, found: Evaluation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rec.save_pretrained(tmp_path / "model")
    command = ["evaluate", "--model", str(tmp_path / "model"), "--data", "sample", "--split"]
    command += ["user", "--split-seed", "1", "--protocol", "strong-generalization"]
    command += ["--resamples", "20"]
    assert main([*command, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["measurements"] == found.to_dict()["measurements"]
    assert main(command) == 0
    assert "recall@50" in capsys.readouterr().out
