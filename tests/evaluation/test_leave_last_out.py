"""Leave-last-out: against a plain implementation, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import hf_cf
from hf_cf.evaluation import leave_last_out
from hf_cf.training import fit


def test_figures_are_those_of_a_plain_implementation(sample: hf_cf.Ratings) -> None:
    train, last = sample.split(by="last")
    rec = fit(train, model="als", epochs=2, progress=False)
    found = leave_last_out(rec, train, last, resamples=10)
    whole = sample.to_frame().sort_values("timestamp", kind="stable")
    expected = whole.groupby("user").tail(1).set_index("user")["item"]
    assert last.to_frame().set_index("user")["item"].sort_index().equals(expected.sort_index())
    gains, hits = [], []
    for user, item in expected.items():
        shown = rec.recommend(user, n=10)["item"].tolist()
        hits.append(item in shown)
        gains.append(1 / np.log2(shown.index(item) + 2) if item in shown else 0.0)
    assert found.value("recall@10") == pytest.approx(np.mean(hits))
    assert found.value("ndcg@10") == pytest.approx(np.mean(gains))
    assert found.protocol["protocol"] == "leave-last-out"


def test_another_split_and_missing_times_are_refused(sample: hf_cf.Ratings) -> None:
    train, random = sample.split(seed=0)
    rec = fit(train, model="als", epochs=1, progress=False)
    with pytest.raises(ValueError, match='split with by="last"'):
        leave_last_out(rec, train, random)
    with pytest.raises(ValueError, match="no timestamps"):
        leave_last_out(rec, replace(train, timestamps=None), random)
