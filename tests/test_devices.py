"""Everything that a user can call works on a device: nothing stays behind on the processor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from pretend_device import PretendDevice, is_marked

import hf_cf
from hf_cf.models import RatingModel, build_rating_model
from hf_cf.training.als import train_als
from hf_cf.training.bayesian import train_bayesian
from hf_cf.training.errors import star_errors
from hf_cf.training.settings import settings_for

MODELS = ["als", "dot_product_bias", "collab_nn", "bayesian_mf"]


def build(name: str, ratings: hf_cf.Ratings) -> RatingModel:
    """An untrained module."""
    shape = {"n_users": len(ratings.users), "n_items": len(ratings.items), "y_range": (0.0, 5.5)}
    return build_rating_model(name, shape | ({"n_hidden": 8} if "nn" in name else {"n_factors": 4}))


@pytest.fixture
def device() -> Iterator[str]:
    """A GPU where there is one, and one that is pretended elsewhere."""
    if torch.cuda.is_available():
        yield "cuda"
        return
    with PretendDevice():
        yield "cuda"


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


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_trained_measured_and_asked_on_a_device(
    sample: hf_cf.Ratings, device: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, valid = sample.split(seed=0)
    settings = settings_for(model, n_ratings=len(train), epochs=2, burn_in=0, n_factors=4)
    if model == "als":
        module, _ = train_als(settings, train, valid, progress=False, device=device)
    elif model == "bayesian_mf":
        module, _ = train_bayesian(settings, train, valid, progress=False, device=device)
    else:
        module = build(model, train).eval().requires_grad_(False).to(device)
    assert module.device.type == "cuda"
    print(star_errors(module, valid))
