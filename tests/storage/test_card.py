"""The model card: metadata that the Hub takes, numbers that are the model's own, and no blanks."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hub_server import card_findings
from huggingface_hub import ModelCard
from locations import ROOT

from hf_cf import Recommender
from hf_cf.data.scale import DataSource, RatingScale
from hf_cf.inference.metadata import TrainingMetadata
from hf_cf.storage.card import CardContent, fill, render_card


def facts_of(rec: Recommender, **changed: Any) -> CardContent:
    metadata = CardContent(
        model=rec.model.name, ranking="implicit_als", repo_id="user/movies",
        n_users=len(rec.users) - 1, example_user=int(rec.users.ids[0]),
        ratings_kept=["history", "held_out"], catalogue=rec.catalogue,
        biases=rec.item_bias(), scale=rec.scale, source=rec.source, training=rec.metadata,
        pictures=["learning_curves.png", "item_map.png"],
    )  # fmt: skip
    return replace(metadata, **changed)


@pytest.fixture(scope="session")
def bare() -> CardContent:
    """A model of which nothing is known but its items."""
    table = pd.DataFrame({"title": ["A", "B"], "n_ratings": [3, 1]}, index=[1, 2])
    return CardContent(
        model="dot_product", catalogue=table, biases=table.assign(bias=[0.1, -0.1]),
        scale=RatingScale(1, 5, 1), source=DataSource(), training=TrainingMetadata(),
    )  # fmt: skip


def test_the_hub_takes_the_metadata(trained: Recommender) -> None:
    text = render_card(facts_of(trained))
    assert card_findings(text, "model") == ([], [])
    data = ModelCard(text).data
    assert data.library_name == "hf-cf"
    assert data.license == "apache-2.0"
    assert {"collaborative-filtering", "synthetic", "fastai"} <= set(data.tags)
    assert data.metrics == ["rmse", "mae", "ndcg@10", "recall@10"]
    assert data.model_name == "movies"


def test_results_are_in_the_form_that_the_hub_reads(trained: Recommender) -> None:
    results = {
        r.metric_type: r for r in ModelCard(render_card(facts_of(trained))).data.eval_results
    }
    found = {
        one["metric"]: one["value"]
        for one in trained.metadata.evaluation["measurements"]
        if one["system"] == "model" and one["by"] == "all"
    }
    assert results["rmse"].metric_value == round(found["rmse"], 4)
    assert results["ndcg@10"].metric_value == round(found["ndcg@10"], 4)
    assert results["rmse"].dataset_name == "sample (synthetic)"


@pytest.mark.parametrize(
    ("source", "license", "name"),
    [
        (DataSource("mine"), "unknown", None),
        (
            DataSource("ml-100k", "For research only.", url="https://x.org"),
            "other",
            "ml-100k-terms",
        ),
    ],
)
def test_the_weights_have_the_licence_of_their_data(
    trained: Recommender, source: DataSource, license: str, name: str | None
) -> None:
    text = render_card(facts_of(trained, source=source))
    assert card_findings(text, "model") == ([], [])
    data = ModelCard(text).data
    assert (data.license, data.license_name) == (license, name)
    assert data.datasets == [source.name]
    assert "synthetic" not in text


def test_every_decimal_is_one_of_the_models_numbers(trained: Recommender) -> None:
    body = ModelCard(render_card(facts_of(trained))).text
    numbers = [
        value
        for one in trained.metadata.evaluation["measurements"]
        for value in (one["value"], one["low"], one["high"])
        if value is not None
    ]
    numbers += [*trained.item_bias()["bias"], *trained.metrics.values()]
    known = {f"{number:.{digits}f}" for number in numbers for digits in (1, 2, 3, 4)}
    known |= {f"{-number:.2f}" for number in numbers}
    took = trained.metrics["seconds"] + trained.metrics["ranking_seconds"]
    known |= {"0.5", f"{took:.1f}"}
    tables = body.partition("## How good")[2].partition("## Data")[0]
    found = re.findall(r"\d+\.\d+", re.sub(r"\(\d{4}\)", "", tables))
    assert len(found) > 50
    assert set(found) <= known


def test_people_find_what_they_need(trained: Recommender) -> None:
    body = ModelCard(render_card(facts_of(trained))).text
    assert 'from_pretrained("user/movies")' in body
    assert "hf-cf space deploy USER/SPACE --model user/movies" in body
    for picture in ("learning_curves.png", "item_map.png"):
        assert f"]({picture})" in body
    for part in (
        "## Limits",
        "Liked beyond taste",
        "item's mean",
        "user and item bias",
        "Settings",
    ):
        assert part in body
    assert "**The ratings are synthetic.**" in body
    assert "fewer than 10 ratings" in body


def test_the_code_of_the_card_runs(trained: Recommender, tmp_path: Path) -> None:
    trained.save_pretrained(tmp_path)
    code = re.search(r"```python\n(.*?)```", (tmp_path / "README.md").read_text(), re.S)
    assert code is not None
    exec(code[1].replace("path/to/this/folder", str(tmp_path)), {})


def test_without_numbers_there_are_no_blanks(bare: CardContent) -> None:
    text = render_card(bare)
    assert card_findings(text, "model") == ([], [])
    body = ModelCard(text).text
    assert "{{" not in body and "None" not in body and "nan" not in body.lower()
    headings = re.findall(r"^## (.*)", body, re.M)
    assert headings == ["How to use it", "Limits", "Data, licence, privacy"]
    assert not re.search(r"^#.*\n\n#", body.partition("\n")[2], re.M)
    assert "|" not in body and "](" not in body.replace("[hf_cf](", "")


def test_a_model_without_users_says_so(trained: Recommender) -> None:
    body = ModelCard(render_card(facts_of(trained, n_users=0, ratings_kept=[]))).text
    assert "It holds no known users." in body
    assert "somebody known" not in body
    assert "Known users: left out." in body


def test_which_ratings_are_kept_is_said(trained: Recommender) -> None:
    for kept, said in {
        ("history", "held_out"): "included (`history.parquet` and `held_out.parquet`)",
        ("history",): "included (`history.parquet`)",
        (): "left out",
    }.items():
        body = ModelCard(render_card(facts_of(trained, ratings_kept=kept))).text
        assert f"Ratings of users: {said}." in body


def test_what_history_is_left_out_can_be_attached(trained: Recommender) -> None:
    body = ModelCard(render_card(facts_of(trained, ratings_kept=[]))).text
    assert 'rec.attach_history(hf_cf.load_ratings("sample"))' in body


def test_titles_cannot_break_or_take_over_the_card(trained: Recommender) -> None:
    evil = '<script>alert(1)</script> | [x](http://evil.example) `"\n# Heading {{repo}}'
    catalogue = trained.catalogue.assign(title=evil)
    biases = trained.item_bias().assign(title=evil)
    source = DataSource(f"a\n---\nlicense: mit {evil}", f"{evil}", evil, "javascript:alert(1)")
    text = render_card(facts_of(trained, catalogue=catalogue, biases=biases, source=source))
    body = ModelCard(text).text
    assert card_findings(text, "model") == ([], [])
    outside_code = re.sub(r"```.*?```", "", body, flags=re.S)
    assert not re.search(
        r"(?<!\\)<script|(?<!\\)\[x\\?\]\(|^# Heading|javascript", outside_code, re.M
    )
    assert ModelCard(text).data.license == "other"


def test_the_template_is_filled_line_by_line() -> None:
    template = (
        "# M\n\nError {{a}}.\n\n## Speed\n\n- {{b}}\n- {{c}}\n\n## Size\n\n### In bytes\n\n{{b?}}!"
    )
    assert fill(template, {"a": "0.9", "c": "fast"}) == "# M\n\nError 0.9.\n\n## Speed\n\n- fast\n"
    assert fill("{{a}}{{a?}}", {"a": "{{a}}"}) == "{{a}}\n"


def test_the_template_has_tables_of_what_was_measured_and_the_terms_of_the_data() -> None:
    names = set(re.findall(r"\{\{(\w+)\??\}\}", (ROOT / "model_card.md").read_text()))
    assert {"stars_table", "ranking_table", "bias_table", "licence", "citation"} <= names


def test_pictures_travel_with_the_model(trained: Recommender, tmp_path: Path) -> None:
    trained.save_pretrained(tmp_path / "one")
    Recommender.from_pretrained(tmp_path / "one").save_pretrained(tmp_path / "two")
    for name in ("learning_curves.png", "item_map.png"):
        picture = (tmp_path / "two" / name).read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert picture == (tmp_path / "one" / name).read_bytes() == trained.trained.pictures[name]
