"""Folders that earlier versions wrote: they load, and answer as they did.

The folders are of version 0.1.0, of 40 users of the synthetic sample, with what it answered.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import hf_cf

FOLDERS = sorted((Path(__file__).parent / "folders").iterdir())
GIVEN = {"Alien (1979)": 5, "Notting Hill (1999)": 2, "Heat (1995)": 4}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_of_an_earlier_version_answers_as_it_did(folder: Path) -> None:
    rec = hf_cf.Recommender.from_pretrained(folder)
    answers = json.loads((folder / "answers.json").read_text("utf-8"))
    for name, who in (("visitor", {"ratings": GIVEN}), ("known", {"user": 7})):
        found = rec.recommend(**who, n=5)
        assert found["item"].tolist() == answers[name]["items"]
        assert found["stars"].tolist() == pytest.approx(answers[name]["stars"], abs=2e-4)
        assert found["score"].tolist() == pytest.approx(answers[name]["scores"], abs=2e-4)
    items = answers["visitor"]["items"]
    _, deviations = rec.predict(items=items, ratings=GIVEN, return_std=True)
    assert deviations.tolist() == pytest.approx(answers["deviations"], abs=2e-4)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_folder_of_an_earlier_version_is_saved_again(folder: Path, tmp_path: Path) -> None:
    rec = hf_cf.Recommender.from_pretrained(folder)
    rec.save_pretrained(tmp_path)
    again = hf_cf.Recommender.from_pretrained(tmp_path)
    assert again.recommend(user=7).equals(rec.recommend(user=7))
    assert (again.ranking.index is None) == (rec.ranking.index is None)  # type: ignore[union-attr]
