"""What is known of a model, to its card: metadata for the Hub, and pages for people.

The template is ``model_card.md`` at the root of the repository. A line of it that names something
which is not known of a model is left out, and so is a heading with nothing under it: a card has no
blanks. ``{{rmse}}`` is replaced by a value; ``{{rmse?}}`` stands for nothing, and makes its line
depend on the value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from hf_cf.data.scale import DataSource, RatingScale
from hf_cf.inference.metadata import TrainingMetadata
from hf_cf.storage.templates import card_template

_PLACE = re.compile(r"\{\{(\w+)(\??)\}\}")
_HEADING = re.compile(r"(#+) ")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$])")
_HUB_NAME = re.compile(r"(?:[\w-][\w.-]{0,95}/)?[\w-][\w.-]{0,95}", re.ASCII)
_SHOWN = 5
_RARELY = 10

Values = Mapping[str, str | None]


@dataclass(frozen=True)
class CardContent:
    """What a card is made of, as plain values.

    Attributes
    ----------
    model : str
        Name of the rating model.
    ranking : str, optional
        Name of the ranking model.
    repo_id : str, optional
        Where the model goes on the Hub.
    n_users : int
        How many known users are published.
    example_user : int or str, optional
        The id of one of them.
    ratings_kept : sequence of str
        Tables of their ratings that are published, too: ``history``, ``held_out``.
    catalogue : DataFrame
        The items: ``title`` and ``n_ratings``.
    biases : DataFrame, optional
        ``title``, ``bias`` and ``n_ratings``, most liked first.
    scale : RatingScale
    source : DataSource
    training : TrainingMetadata
    pictures : collection of str
        Names of the pictures next to the card.
    """

    model: str
    catalogue: pd.DataFrame
    biases: pd.DataFrame | None
    scale: RatingScale
    source: DataSource
    training: TrainingMetadata
    ranking: str | None = None
    repo_id: str | None = None
    n_users: int = 0
    example_user: int | str | None = None
    ratings_kept: Sequence[str] = ()
    pictures: Iterable[str] = field(default_factory=tuple)


def render_card(content: CardContent) -> str:
    """Render the model card: YAML content, then Markdown."""
    template = card_template().read_text("utf-8")
    return f"---\n{_metadata(content)}\n---\n\n{fill(template, values_of(content))}"


def fill(template: str, values: Values) -> str:
    r"""Fill in a template; what names an unknown value goes, and headings with nothing under them.

    Examples
    --------
    >>> fill("Error: {{rmse}}. Time: none.", {"rmse": "0.9"})
    'Error: 0.9. Time: none.\n'
    """

    def known(line: str) -> bool:
        return all(values.get(name) for name, _ in _PLACE.findall(line))

    kept: list[str] = []
    for line in filter(known, template.splitlines()):
        if heading := _HEADING.match(line):
            _drop_empty_headings(kept, len(heading[1]))
        kept.append(_PLACE.sub(lambda place: "" if place[2] else str(values[place[1]]), line))
    _drop_empty_headings(kept, 1)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).rstrip() + "\n"


def _drop_empty_headings(lines: list[str], level: int) -> None:
    """Remove the headings at the end, of that level or deeper, under which nothing stands."""
    while True:
        content = [at for at, line in enumerate(lines) if line.strip()]
        last = _HEADING.match(lines[content[-1]]) if content else None
        if last is None or len(last[1]) < level or not content[:-1]:
            return
        del lines[content[-1] :]


def values_of(content: CardContent) -> Values:
    """Everything that the template may name; None where it is not known."""
    scale, source, repo = content.scale, content.source, content.repo_id
    titles = content.catalogue.sort_values("n_ratings", ascending=False, kind="stable")["title"]
    liked = {str(title): _number(scale.max) for title in titles[:2]}
    n_items = f"{len(content.catalogue):,}"
    n_users = f"{content.n_users:,}" if content.n_users else None
    counts = content.catalogue["n_ratings"]
    attach = f"`rec.attach_history(hf_cf.load_ratings({json.dumps(source.name)}))`"
    likes = content.biases is None
    files_kept = [f"`{name}.parquet`" for name in content.ratings_kept]
    return {
        "title": _plain(repo.rpartition("/")[2] if repo else f"{content.model} on {source.name}"),
        "repo": repo,
        "location": json.dumps(repo or "path/to/this/folder"),
        "n_items": n_items if n_users else None,
        "n_items_for_visitors": None if n_users else n_items,
        "n_titles": n_items,
        "n_users": n_users,
        "n_ratings": f"{int(counts.sum()):,}",
        "min": None if likes else _number(scale.min),
        "max": None if likes else _number(scale.max),
        "data": _plain(source.name),
        "synthetic_data": _plain(source.name) if source.synthetic else None,
        "model": content.model if content.ranking and not likes else None,
        "only_model": None if content.ranking else content.model,
        "likes_model": content.ranking if likes else None,
        "n_interactions": f"{counts.sum():,}" if likes else None,
        "ranking_model": content.ranking,
        "example_ratings": None if likes
        else f"{{{', '.join(f'{_quoted(t)}: {s}' for t, s in liked.items())}}}",
        "example_liked": f"[{', '.join(map(_quoted, liked))}]" if likes else None,
        "example_user": repr(content.example_user) if n_users else None,
        "example_title": _quoted(str(titles.iloc[0])),
        "n_rarely_rated": f"{int((counts < _RARELY).sum()):,}",
        "median_popularity": f"{counts.median():,.0f}",
        "attach_history": attach if n_users and "history" not in content.ratings_kept else None,
        "data_link": f"[{_plain(source.name)}]({source.url})"
        if source.url.startswith("https://")
        else _plain(source.name),
        "licence": _plain(source.licence),
        "citation": _plain(source.citation),
        "users_kept": f"the ids of {n_users} users and the numbers learned for them" if n_users
        else "left out",
        "history_kept": f"included ({' and '.join(files_kept)})" if files_kept else "left out",
        **{name.rpartition(".")[0]: name for name in content.pictures},
        **_bias_values(content),
        **_evaluation_values(content.training.evaluation),
        **_cold_start_values(content.training.cold_start),
        **_training_values(content.training),
    }  # fmt: skip


def _bias_values(content: CardContent) -> Values:
    # A bias from few ratings says little: only what is rated as often as the average counts.
    if content.biases is None:
        return {}
    often = max(_RARELY, round(float(content.catalogue["n_ratings"].mean())))
    table = content.biases[content.biases["n_ratings"] >= often]
    if len(table) < 2 * _SHOWN:
        return {}
    pairs = zip(table["title"], table["bias"], strict=True)
    cells = [f"{_plain(title)} ({bias:+.2f})" for title, bias in pairs]
    rows = zip(cells[:_SHOWN], cells[: -_SHOWN - 1 : -1], strict=True)
    return {
        "often": f"{often:,}",
        "n_often_rated": f"{len(table):,}",
        "bias_table": _table(["Liked most", "Liked least"], rows, "---"),
    }


def _evaluation_values(evaluation: Mapping[str, Any]) -> Values:
    if not evaluation:
        return {}
    protocol, found = evaluation["protocol"], pd.DataFrame(evaluation["measurements"])
    overall = found[found["by"] == "all"].set_index(["system", "metric"])
    ndcg = [name for name in found["metric"].unique() if name.startswith("ndcg@")]
    k = ndcg[0].partition("@")[2] if ndcg else ""
    columns = {f"ndcg@{k}": "nDCG", f"recall@{k}": "recall", f"precision@{k}": "precision"}

    def of_model(metric: str) -> float | None:
        return overall["value"].get(("model", metric))

    shown, coverage = of_model(f"median_popularity@{k}"), of_model(f"coverage@{k}")
    return {
        "n_held_out": f"{protocol['test_ratings']:,}",
        "n_held_out_users": f"{protocol['users']:,}",
        "stars_table": _systems(
            overall, {"rmse": "RMSE", "mae": "MAE"},
            {"item mean": "item's mean", "damped biases": "user and item bias"}, smallest=True,
        ),
        "n_ranked_users": f"{protocol['users_ranked']:,}",
        "relevant_from": _number(protocol["relevant_from"]),
        "ranking_table": _systems(
            overall, columns, {"most popular": "the most popular for everybody"}, smallest=False
        ) if ndcg else None,
        "activity_table": _groups(found, "user activity", "Ratings by the user in training"),
        "popularity_table": _groups(found, "item popularity", "Ratings of the title in training"),
        "shown_popularity": None if shown is None else f"{shown:,.0f}",
        "coverage": None if coverage is None else f"{coverage:.0%}",
    }  # fmt: skip


def _cold_start_values(found: Mapping[str, Any]) -> Values:
    if not found:
        return {}
    most = max(one["given"] for one in found["measurements"])
    return {"n_visitors": f"{found['protocol']['test_users']:,}", "most_given": f"{most:g}"}


def _systems(
    overall: pd.DataFrame, metrics: Mapping[str, str], others: Mapping[str, str], *, smallest: bool
) -> str | None:
    """Compare the model with the baselines; the best number of a column is bold."""
    systems = {**others, "model": "**this model**"}
    rows = [[name] for name in systems.values()]
    for metric in metrics:
        values = [float(overall["value"].get((system, metric), math.nan)) for system in systems]
        if not np.isfinite(values).all():
            return None
        best = (min if smallest else max)(values)
        for row, system, value in zip(rows, systems, values, strict=True):
            low, high = (overall[bound].get((system, metric)) for bound in ("low", "high"))
            bounds = "" if low is None or pd.isna(low) else f" ({low:.3f} to {high:.3f})"
            row.append(f"**{value:.4f}**{bounds}" if value == best else f"{value:.4f}{bounds}")
    return _table(["", *metrics.values()], rows)


def _groups(found: pd.DataFrame, by: str, heading: str) -> str | None:
    part = found[(found["by"] == by) & (found["metric"] == "rmse")]
    table = part.pivot(index="group", columns="system", values="value")
    if "model" not in table or "damped biases" not in table:
        return None
    counts = part[part["system"] == "model"].set_index("group")["count"]
    rows = [
        [group, f"{counts[group]:,}", f"{table.loc[group, 'model']:.3f}",
         f"{table.loc[group, 'damped biases']:.3f}"]
        for group in counts.index
    ]  # fmt: skip
    return _table([heading, "Held-out ratings", "This model", "User and item bias"], rows)


def _training_values(training: TrainingMetadata) -> Values:
    seconds = training.metrics.get("seconds")
    if seconds is not None:
        seconds += training.metrics.get("ranking_seconds", 0.0)
    took = None if seconds is None else f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    settings = {name: value for name, value in training.settings.items() if value is not None}
    rmse, of_biases = (training.metrics.get(f"valid_rmse{name}") for name in ("", "_biases"))
    behind = rmse is not None and of_biases is not None and rmse >= of_biases
    return {
        "behind_biases": f"{rmse:.4g}, and theirs {of_biases:.4g}" if behind else None,
        "settings": ", ".join(f"`{name}={_setting(value)}`" for name, value in settings.items()),
        "seconds": took,
        "seconds_somewhere": None if training.hardware else took,
        "hardware": _plain(training.hardware),
        "versions": ", ".join(f"{_plain(k)} {_plain(v)}" for k, v in training.versions.items()),
    }


def _metadata(content: CardContent) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    source = content.source
    name = (
        content.repo_id.rpartition("/")[2] if content.repo_id else f"{content.model}-{source.name}"
    )
    evaluation = content.training.evaluation
    tasks = {
        "rmse": ("rating-prediction", "RMSE (stars)"),
        "mae": ("rating-prediction", "MAE (stars)"),
        "ndcg@10": ("recommendation", "nDCG@10"),
        "recall@10": ("recommendation", "Recall@10"),
    }
    # Results go into the card's model-index. The Hub's newer .eval_results/ files are for data
    # sets that are registered there as benchmarks, which no MovieLens data set is.
    results = [
        EvalResult(
            task_type=tasks[one["metric"]][0], task_name=tasks[one["metric"]][0].replace("-", " "),
            dataset_type=source.name,
            dataset_name=f"{source.name}{' (synthetic)' * source.synthetic}",
            dataset_split="held out", metric_type=one["metric"],
            metric_name=tasks[one["metric"]][1], metric_value=round(one["value"], 4),
        )
        for one in evaluation.get("measurements", ())
        if one["system"] == "model" and one["by"] == "all" and one["metric"] in tasks
    ]  # fmt: skip
    tags = ["recommendation", "recommender-system", "collaborative-filtering", content.model]
    tags += ["movielens"] * source.name.startswith("ml-") + ["synthetic"] * source.synthetic
    tags += ["fastai"] * ("fastai" in content.training.versions)
    known = bool(_HUB_NAME.fullmatch(source.name)) and not source.synthetic
    card = ModelCardData(
        library_name="hf-cf", tags=tags, datasets=[source.name] if known else None,
        metrics=[result.metric_type for result in results] or None,
        model_name=name, eval_results=results or None, **_licence(source),
    )  # fmt: skip
    return card.to_yaml()


def _licence(source: DataSource) -> dict[str, Any]:
    """Licence of the weights: that of the data that they were learned from."""
    if source.synthetic:
        return {"license": "apache-2.0"}
    if not source.licence:
        return {"license": "unknown"}
    terms = {"license": "other", "license_name": f"{source.name}-terms"}
    return terms | ({"license_link": source.url} if source.url.startswith("https://") else {})


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], align: str = "---:") -> str:
    lines = [headings, ["---", *[align] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(value: float) -> str:
    return f"{value:g}"


def _setting(value: Any) -> str:
    return str(value).replace("`", "'").replace("\n", " ")
