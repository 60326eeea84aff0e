"""Everything that a user can call works on a device: nothing stays behind on the processor."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pretend_device import PretendDevice, is_marked

import hf_cf
from hf_cf.evaluation import evaluate
from hf_cf.inference.calibration import calibrated_prior
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.inference.rating_head import RatingHead
from hf_cf.inference.scorer import Scorer
from hf_cf.inference.star_errors import star_errors
from hf_cf.inference.trained_model import TrainedModel, trained_vectors
from hf_cf.models import RATING_MODELS, RatingModel
from hf_cf.training import fit
from hf_cf.training.als import train_als
from hf_cf.training.bayesian import train_bayesian
from hf_cf.training.devices import chosen_device
from hf_cf.training.ranking import ImplicitALSConfig, fit_implicit_als
from hf_cf.training.settings import settings_for

MODELS = ["als", "dot_product_bias", "collab_nn", "bayesian_mf"]


def a_device() -> AbstractContextManager[Any]:
    """A GPU where there is one, and one that is pretended elsewhere."""
    return nullcontext() if torch.cuda.is_available() else PretendDevice()


def test_the_pretended_device_refuses_what_a_gpu_refuses() -> None:
    with PretendDevice():
        there, here = torch.arange(4.0, device="cuda"), torch.arange(4.0)
        assert there.device.type == "cuda"
        assert (there + 1).is_cuda
        assert not here.is_cuda
        assert torch.equal(there[torch.tensor([1])].cpu(), torch.tensor([1.0]))
        assert is_marked(there @ here.to("cuda"))
        with pytest.raises(RuntimeError, match="same device"):
            there + here
        with pytest.raises(RuntimeError, match="same device"):
            here[torch.arange(2, device="cuda")]
        with pytest.raises(TypeError, match="convert"):
            there.numpy()
        moved = torch.nn.Linear(2, 2).to("cuda")
        assert moved.weight.is_cuda


def trained_on(device: str, model: str, train: hf_cf.Ratings, valid: hf_cf.Ratings) -> RatingModel:
    options: dict[str, Any] = {"progress": False, "device": device}
    settings = settings_for(model, n_ratings=len(train), epochs=3, burn_in=0, n_factors=4)
    if model == "als":
        return train_als(settings, train, valid, **options)[0]
    if model == "bayesian_mf":
        return train_bayesian(settings, train, valid, **options)[0]
    shape = {"n_users": len(train.users), "n_items": len(train.items), "y_range": (0.0, 5.5)}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"n_hidden": 8} if "nn" in model else {"n_factors": 4}
        module = RATING_MODELS[model](**shape, **sizes)
    return module.eval().requires_grad_(False).to(device)


def whole_model(
    device: str, model: str, train: hf_cf.Ratings, valid: hf_cf.Ratings
) -> hf_cf.Recommender:
    """Both heads, trained and calibrated on a device, which they stay on."""
    module = trained_on(device, model, train, valid)
    assert module.device.type == device
    ranking, vectors = fit_implicit_als(
        train.user_codes, train.item_codes, train.stars, n_users=len(train.users),
        n_items=len(train.items), config=ImplicitALSConfig(factors=8, iterations=2), device=device,
    )  # fmt: skip
    prior = (
        module.own_prior()
        if module.has_own_prior
        else calibrated_prior(module, trained_vectors(module, train), valid, noise=0.9)
    )
    head = RankingHead(ranking.eval(), vectors)
    scorer = Scorer(RatingHead(module, prior), head, train.scale)
    return hf_cf.Recommender(TrainedModel.of_training(scorer, train, held_out=valid))


def answers(rec: hf_cf.Recommender) -> dict[str, Any]:
    """Everything that a user can ask."""
    users, items = rec.users.ids[:5], rec.items.ids
    loves = {items[0]: 5.0, items[7]: 1.0}
    several = pd.DataFrame({"user": [1, 1, 2], "item": items[[3, 5, 8]], "rating": [5.0, 2.0, 4.0]})
    return {
        "errors": star_errors(rec.model, hf_cf.load_ratings("sample").split(seed=0)[1]),
        "pairs": rec.predict(users, items[:5]),
        "visitor's": rec.predict(items=items[:9], ratings=loves),
        "with deviations": rec.predict(users[0], items[:4], return_std=True)[1],
        "known user": rec.recommend(users[0], n=8),
        "known users": rec.recommend(users, n=4, exclude=[items[2]], min_ratings=2),
        "visitor": rec.recommend(ratings=loves, n=8, novelty=0.4, diversity=0.3),
        "visitors": rec.recommend(ratings=several, n=3),
        "by stars": rec.recommend(users, n=3, order_by="stars", include_rated=True),
        "similar": rec.similar(items[4], n=5),
        "explained": rec.explain(items[3], ratings=loves),
        "known explained": rec.explain(items[3], users[0]),
        "questions": rec.next_questions(loves, n=2),
        "biases": rec.item_bias().head(5),
        "map": rec.item_map(2, most_rated=30),
        "added": rec.add_users(several.assign(user=several["user"] + 10**6)).recommend(10**6 + 1),
        "updated": rec.update(several.assign(user=users[[0, 0, 1]])).recommend(users[0]),
    }


@pytest.mark.parametrize("model", MODELS)
def test_a_model_answers_on_a_device_as_on_the_processor(
    sample: hf_cf.Ratings, tmp_path: Path, model: str
) -> None:
    train, valid = sample.split(seed=0)
    expected = answers(whole_model("cpu", model, train, valid))
    with a_device():
        rec = whole_model("cuda", model, train, valid)
        found = answers(rec)
        evaluate(rec, train, valid, resamples=2)
        rec.build_index(progress=False)
        assert len(rec.recommend(rec.users.ids[:3], n=4, approximate=True)) == 12
        rec.save_pretrained(tmp_path)
        again = hf_cf.Recommender.from_pretrained(tmp_path, device="cuda")
        assert again.model.device.type == "cuda"
        assert len(again.recommend(again.users.ids[:2], n=3)) == 6
    for name, answer in found.items():
        pd.testing.assert_frame_equal(
            pd.DataFrame(answer, index=None if isinstance(answer, pd.DataFrame) else [0])
            if isinstance(answer, dict) else pd.DataFrame(answer),
            pd.DataFrame(expected[name], index=[0])
            if isinstance(answer, dict) else pd.DataFrame(expected[name]),
            rtol=1e-3, atol=1e-4, obj=name,
        )  # fmt: skip


def test_new_items_are_placed_on_a_device(sample: hf_cf.Ratings) -> None:
    train, valid = sample.split(seed=0)
    new = pd.DataFrame({"id": [10**6], "title": ["New (1999)"], "year": [1999]})
    rated = pd.DataFrame({"user": train.users.ids[:3], "item": 10**6, "rating": [5.0, 4.0, 4.0]})
    with a_device():
        rec = whole_model("cuda", "bayesian_mf", train, valid).add_items(new, rated)
        assert np.isfinite(rec.predict(train.users.ids[0], 10**6))


def test_a_device_that_is_not_there_is_refused_before_training(sample: hf_cf.Ratings) -> None:
    for device in ("mps:7", "nowhere"):
        with pytest.raises(
            ValueError, match=f"device='{device}' here; leave it out, or give 'cpu'"
        ):
            fit(sample, device=device)
    with pytest.raises(ValueError, match="threads=0; it must be at least 1"):
        fit(sample, threads=0)


def test_little_data_is_trained_on_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert chosen_device(None, 100_000).type == "cpu"
    assert chosen_device(None, 100_000, "bayesian_mf").type == "cuda"
    assert chosen_device(None, 25_000_000).type == "cuda"
    assert chosen_device("cpu", 25_000_000).type == "cpu"
