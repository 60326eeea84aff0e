"""A saved model answers as before, in files that other tools read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from same_answers import assert_same_answers

import hf_cf
from hf_cf import Recommender
from hf_cf.training import fit


@pytest.fixture
def saved(small: Recommender, tmp_path: Path) -> Path:
    small.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_loaded_model_answers_bit_for_bit_as_before(small: Recommender, saved: Path) -> None:
    loaded = Recommender.from_pretrained(saved)
    assert_same_answers(small, loaded)
    assert repr(loaded) == repr(small)
    assert (loaded.metrics, loaded.scale, loaded.source) == (
        small.metrics, small.scale, small.source
    )  # fmt: skip
    assert loaded.metadata.epochs == small.metadata.epochs


def test_saved_again_it_is_still_the_same(small: Recommender, saved: Path) -> None:
    Recommender.from_pretrained(saved).save_pretrained(saved)
    assert_same_answers(small, Recommender.from_pretrained(saved))


def test_loading_leaves_the_caller_s_random_numbers_alone(saved: Path) -> None:
    state = torch.get_rng_state()
    Recommender.from_pretrained(saved)
    assert torch.equal(torch.get_rng_state(), state)


def test_text_ids_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    ratings = hf_cf.Ratings.from_frame(
        pd.DataFrame({"user": ["01", "1", "x"], "item": ["7", "07", "7"], "rating": [1, 5, 3]})
    )
    rec = fit(ratings, None, epochs=1, progress=False)
    rec.save_pretrained(tmp_path)
    loaded = Recommender.from_pretrained(tmp_path)
    assert loaded.users.ids.tolist() == ["01", "1", "x"]
    assert loaded.predict("01", "07") == rec.predict("01", "07")
    assert loaded.predict(1, 7) == rec.predict("1", "7")


def test_other_people_s_tools_read_the_files(trained: Recommender, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    trained.save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    assert {name.split(".")[0] for name in tensors} == {"rating", "ranking"}
    expected = trained.model.state_dict()["i_weight.weight"].numpy()
    assert (tensors["rating.i_weight.weight"] == expected).all()
    items = pd.read_parquet(tmp_path / "items.parquet")
    assert items["title"].tolist() == trained.catalogue["title"].tolist()
    assert pd.read_parquet(tmp_path / "users.parquet")["id"].tolist() == list(range(1, 601))
    history = pd.read_parquet(tmp_path / "history.parquet")
    assert len(history) == len(trained.history)


def test_no_file_is_a_pickle(trained: Recommender, tmp_path: Path) -> None:
    trained.save_pretrained(tmp_path)
    for path in tmp_path.iterdir():
        assert path.suffix in {".json", ".safetensors", ".parquet", ".md", ".png"}
        assert not path.read_bytes().startswith((b"PK", b"\x80"))


@pytest.mark.parametrize("when", range(8))
def test_an_interrupted_save_leaves_the_old_model_whole(
    trained: Recommender,
    stars_only: Recommender,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    when: int,
) -> None:
    stars_only.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    calls = 0

    def fails_in_time(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > when:
                raise OSError("no space left on device")
            return real(*args, **kwargs)

        return write

    with monkeypatch.context() as patched:
        for name in ("write_text", "write_bytes", "stat", "chmod"):
            patched.setattr(Path, name, fails_in_time(getattr(Path, name)))
        with pytest.raises(OSError, match="no space"):
            trained.save_pretrained(tmp_path)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert after == before
    assert_same_answers(stars_only, Recommender.from_pretrained(tmp_path))
    # What a disk that fails to the end left in its place goes with the next save.
    trained.save_pretrained(tmp_path)
    assert all(path.is_file() for path in tmp_path.iterdir())
