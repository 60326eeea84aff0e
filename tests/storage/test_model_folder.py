"""What is written and read back: whole, in its types, and each file or none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from altered import with_scorer
from hostile import answers, small_model

from hf_cf import ModelFormatError, Recommender
from hf_cf.models import RATING_MODELS
from hf_cf.storage.model_folder import FILES, PICTURES, ModelFolder
from hf_cf.storage.serialization import layout_of, to_model_folder


@pytest.fixture
def rec() -> Recommender:
    return small_model()


MORE_SETTINGS = {
    "rating_classifier": {"levels": [1.0, 2.0, 3.0, 4.0, 5.0]},
}


@pytest.mark.parametrize("name", RATING_MODELS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_every_model_answers_as_before(tmp_path: Path, name: str, dtype: str) -> None:
    torch.manual_seed(0)
    model = RATING_MODELS[name](**({"n_users": 13, "n_items": 16} | MORE_SETTINGS.get(name, {})))
    rec = small_model(model=model)
    rec.save_pretrained(tmp_path, dtype=dtype)
    loaded = Recommender.from_pretrained(tmp_path)
    assert {tensor.dtype for tensor in loaded.model.state_dict().values()} <= {
        torch.float32, torch.int64,
    }  # fmt: skip
    if dtype == "float32":
        assert answers(loaded) == answers(rec)
    else:
        pairs = np.repeat(rec.users.ids, 2), np.resize(rec.items.ids, 2 * len(rec.users.ids))
        np.testing.assert_allclose(loaded.predict(*pairs), rec.predict(*pairs), atol=0.02)


@pytest.mark.parametrize("name", RATING_MODELS)
def test_every_model_goes_without_users(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    model = RATING_MODELS[name](**({"n_users": 13, "n_items": 16} | MORE_SETTINGS.get(name, {})))
    rec = small_model(model=model)
    rec.save_pretrained(tmp_path, include_users=False)
    loaded = Recommender.from_pretrained(tmp_path)
    assert len(loaded.users) == 1
    visitor = {rec.items.ids[0]: 5, rec.items.ids[3]: 1}
    pd.testing.assert_frame_equal(
        loaded.recommend(ratings=visitor), rec.recommend(ratings=visitor), check_exact=True
    )


def test_tables_come_back_in_their_types(rec: Recommender, tmp_path: Path) -> None:
    rec.save_pretrained(tmp_path)
    loaded = Recommender.from_pretrained(tmp_path)
    pd.testing.assert_frame_equal(loaded.catalogue, rec.catalogue)
    assert loaded.users == rec.users and loaded.items == rec.items
    assert loaded.users.is_integer
    for come_back, kept in (
        (loaded.history, rec.history),
        (loaded.trained.held_out, rec.trained.held_out),
    ):
        assert len(come_back) == len(kept) > 12
        for user in range(13):
            one, other = come_back.of(user), kept.of(user)
            assert dict(zip(*one, strict=True)) == dict(zip(*other, strict=True))


def test_ids_that_are_text_stay_text(tmp_path: Path) -> None:
    import hf_cf
    from hf_cf.inference.trained_model import TrainedModel
    from hf_cf.models import DotProduct

    frame = pd.DataFrame(
        {"user": ["ann", "007", "ann"], "item": ["x", "x", "ü|y"], "rating": [1.0, 2.0, 3.0]}
    )
    ratings = hf_cf.Ratings.from_frame(frame)
    torch.manual_seed(0)
    rec = Recommender(TrainedModel.from_modules(DotProduct(3, 3, 2), ratings, noise=1.0))
    rec.save_pretrained(tmp_path)
    loaded = Recommender.from_pretrained(tmp_path)
    assert loaded.users == ratings.users and loaded.items == ratings.items
    assert loaded.predict("007", "ü|y") == rec.predict("007", "ü|y")


def test_a_column_that_parquet_tables_here_cannot_hold_is_left_out_and_said(
    rec: Recommender, tmp_path: Path
) -> None:
    rec.catalogue["tags"] = [["a"]] * len(rec.catalogue)
    rec.catalogue["seen"] = pd.Timestamp("2020-01-01")
    rec.catalogue["kind"] = pd.Categorical(["film"] * len(rec.catalogue))
    with pytest.warns(UserWarning, match="the column 'tags' of the catalogue is left out"):
        rec.save_pretrained(tmp_path)
    loaded = Recommender.from_pretrained(tmp_path).catalogue
    assert "tags" not in loaded
    assert loaded["kind"].tolist() == ["film"] * len(loaded)
    assert str(loaded["seen"].iloc[0]) == "2020-01-01"


def test_a_folder_holds_the_files_of_the_format_and_no_others(
    rec: Recommender, tmp_path: Path
) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    rec.save_pretrained(tmp_path)
    assert (tmp_path / "history.parquet").exists()
    rec.save_pretrained(tmp_path, include_history=False)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"metrics.json"} | set(FILES) - {
        "history.parquet",
        "held_out.parquet",
        *PICTURES,
    }


def test_an_interrupted_save_leaves_the_old_model(
    rec: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rec.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = small_model(seed=1)
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        other.save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_numbers_beyond_float16_are_refused(rec: Recommender, tmp_path: Path) -> None:
    rec.model.tables()[0][0].weight[1, 0] = 1e6
    with pytest.raises(ValueError, match="beyond float16"):
        rec.save_pretrained(tmp_path, dtype="float16")


def test_the_same_model_is_the_same_bytes(rec: Recommender, tmp_path: Path) -> None:
    for name in ("one", "two"):
        rec.save_pretrained(tmp_path / name)
    for name in ("model.safetensors", "items.parquet", "config.json", "README.md"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_model_without_a_ranking_head_is_whole(tmp_path: Path) -> None:
    rec = with_scorer(small_model(), ranking=None)
    rec.save_pretrained(tmp_path)
    loaded = Recommender.from_pretrained(tmp_path)
    assert loaded.ranking is None
    assert answers(loaded) == answers(rec)


def test_facts_that_a_later_version_adds_are_passed_over(rec: Recommender, tmp_path: Path) -> None:
    rec.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["training"]["energy"] = {"kWh": 0.1}
    config["source"]["collected"] = "2020"
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert answers(Recommender.from_pretrained(tmp_path)) == answers(rec)


def test_shapes_are_known_without_memory() -> None:
    config = to_model_folder(small_model().trained).config
    config["rating"]["settings"] |= {"n_users": 2**31 - 1, "n_items": 2**31 - 1}
    config["ranking"]["settings"]["n_items"] = 2**31 - 1
    layout = layout_of(config)
    assert layout.tensors["rating.u_weight.weight"].shape == (2**31 - 1, 4)
    assert all(tensor.is_meta for tensor in layout.tensors.values())


def test_what_is_no_folder_of_a_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match="written by save_pretrained or"):
        ModelFolder.read(tmp_path, layout_of)
    with pytest.raises(ModelFormatError, match="missing"):
        Recommender.from_pretrained(tmp_path / "nowhere")
