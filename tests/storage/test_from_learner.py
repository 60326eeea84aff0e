"""A ``Learner`` of fastai, taken over as a recommender."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fastai.collab import CollabDataLoaders, collab_learner
from same_answers import ALIEN_FAN, assert_same_answers

import hf_cf
from hf_cf import Recommender


@pytest.fixture(scope="module", params=[False, True], ids=["dot", "network"])
def learner(request: pytest.FixtureRequest, sample: hf_cf.Ratings) -> Any:
    frame = sample.take(sample.user_codes <= 60).to_frame()
    frame["title"] = sample.catalogue.set_index("id")["title"][frame["item"]].to_numpy()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dls = CollabDataLoaders.from_df(
            frame[["user", "title", "rating"]], item_name="title", bs=64, seed=0
        )
        learn = collab_learner(dls, n_factors=10, use_nn=request.param, y_range=(0, 5.5))
        with learn.no_bar(), learn.no_logging():
            learn.fit_one_cycle(1, 5e-3, wd=0.1)
    return learn


def test_a_learner_of_fastai_becomes_a_recommender(learner: Any) -> None:
    rec = Recommender.from_learner(learner)
    rows = learner.dls.valid_ds.items
    predictions, _ = learner.get_preds(ds_idx=1, reorder=False)
    users = np.array(list(learner.dls.classes["user"]), dtype=object)[rows["user"]]
    titles = np.array(list(learner.dls.classes["title"]), dtype=object)[rows["title"]]
    found = rec.predict(users, titles)
    np.testing.assert_allclose(found, predictions.flatten().clip(0.5, 5), atol=1e-5)


def test_a_learner_taken_over_serves_known_users_and_visitors_and_is_saved(
    learner: Any, tmp_path: Path
) -> None:
    rec = Recommender.from_learner(learner)
    assert len(rec.recommend(7)) == 10
    assert len(rec.recommend(ratings=ALIEN_FAN)) == 10
    rec.save_pretrained(tmp_path)
    assert_same_answers(rec, Recommender.from_pretrained(tmp_path))


def test_a_learner_leaves_out_what_its_users_rated(learner: Any) -> None:
    rec = Recommender.from_learner(learner)
    train = learner.dls.train_ds.items
    code = learner.dls.classes["user"].o2i[7]
    own = train.loc[train["user"] == code, "title"]
    rated = {learner.dls.classes["title"][row] for row in own}
    assert len(rated) > 5
    assert not rated & set(rec.recommend(7, n=10_000)["title"])


def test_the_ratings_themselves_bring_catalogue_and_name(
    learner: Any, sample: hf_cf.Ratings
) -> None:
    by_title = hf_cf.load_ratings("sample", item="title")
    rec = Recommender.from_learner(learner, by_title)
    assert rec.source == sample.source
    assert "genres" in rec.catalogue
    assert rec.predict(7, "Alien (1979)") == pytest.approx(
        Recommender.from_learner(learner).predict(7, "Alien (1979)"), abs=1e-6
    )


def test_the_learner_is_left_as_it_was(learner: Any) -> None:
    before = {name: t.clone() for name, t in learner.model.state_dict().items()}
    trainable = [p.requires_grad for p in learner.model.parameters()]
    Recommender.from_learner(learner)
    assert all(torch.equal(t, before[name]) for name, t in learner.model.state_dict().items())
    assert [p.requires_grad for p in learner.model.parameters()] == trainable


def test_ratings_of_something_else_are_refused(learner: Any) -> None:
    other = hf_cf.Ratings.from_frame(
        pd.DataFrame({"user": [1, 2], "item": ["a book", "another"], "rating": [1, 5]})
    )
    with pytest.raises(ValueError, match="item"):
        Recommender.from_learner(learner, other)
