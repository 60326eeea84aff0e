"""``hf-cf train``: ratings in, a model folder out."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_cf.cli.data import SYNTHETIC, add_data_flags, load_split
from hf_cf.cli.hub import add_contents, add_destination, contents, is_private

if TYPE_CHECKING:
    from hf_cf.recommender import Recommender


def add_parser(commands: Any) -> None:
    """Add the command to the parser of ``hf-cf``."""
    parser = commands.add_parser(
        "train",
        help="train a model on ratings",
        description="Train a recommender on ratings and write its folder.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_data_flags(parser, held_out="--valid", sample=True)
    parser.add_argument("--out", type=Path, default=Path("models/latest"), help="folder to write")
    parser.add_argument("--recipe", help="settings of one of the sources, see docs/training.md")
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="what hf-cf tune wrote; flags go before it"
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep a checkpoint in OUT after each epoch or sample, and resume from one that exists",
    )
    add_index_flag(parser)
    parser.add_argument(
        "--device", help="where to compute, such as cpu or cuda; the GPU if it is worth it"
    )
    parser.add_argument("--threads", type=int, help="threads to take; as many as there are cores")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    text = parser.add_argument_group("text of the catalogue as features of the items")
    text.add_argument(
        "--text", nargs="+", default=[], metavar="COLUMN",
        help="columns of the catalogue to embed, such as title description",
    )  # fmt: skip
    text.add_argument(
        "--text-model", metavar="MODEL",
        help="static model of model2vec: a folder or a repository, minishlab/potion-base-8M",
    )  # fmt: skip
    add_contents(parser)
    hub = parser.add_argument_group("publishing")
    hub.add_argument("--push-to-hub", metavar="REPO", help="publish the model, such as user/movies")
    add_destination(hub)
    add_settings(parser)
    parser.set_defaults(run=_run)


def add_index_flag(parser: argparse.ArgumentParser) -> None:
    """Add the flag that asks for `Recommender.build_index`."""
    parser.add_argument(
        "--index",
        action="store_true",
        help="index the items, so that recommending from hundreds of thousands is fast",
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add a flag for each field of `TrainingSettings`."""
    # Reading them imports the models, not fastai.
    from hf_cf.training.settings import TrainingSettings

    group = parser.add_argument_group("hyperparameters (default: tuned for each model)")
    for item in fields(TrainingSettings):
        flag = f"--{item.name.replace('_', '-')}"
        options: dict[str, Any] = {"default": argparse.SUPPRESS, "help": item.metadata["help"]}
        if item.type == "bool":
            group.add_argument(flag, action=argparse.BooleanOptionalAction, **options)
        elif item.name == "y_range":
            group.add_argument(flag, nargs="+", **options)
        elif item.name == "layers":
            group.add_argument(flag, nargs="+", type=int, **options)
        else:
            kind = {"int": int, "float": float}.get(str(item.type), str)
            group.add_argument(flag, type=kind, choices=item.metadata.get("choices"), **options)


def chosen_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those fields of `TrainingSettings` whose flags were given."""
    from hf_cf.training.settings import TrainingSettings

    names = [item.name for item in fields(TrainingSettings)]
    chosen = {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}
    if "y_range" in chosen:
        chosen["y_range"] = _y_range(chosen["y_range"])
    if "layers" in chosen:
        chosen["layers"] = tuple(chosen["layers"])
    return chosen


def _run(arguments: argparse.Namespace) -> None:
    chosen = chosen_settings(arguments)
    ranking: dict[str, Any] = {}
    if arguments.settings is not None:
        tuned, ranking = _tuned(arguments.settings)
        chosen = {**tuned, **chosen}
    if arguments.push_to_hub:
        from hf_cf.storage.hub import writing_token

        writing_token(arguments.push_to_hub, None)  # fails now rather than after the training
    train, valid = load_split(arguments)
    print(train if valid is None else f"{train}\nHeld out: {len(valid):,} ratings")
    if train.source.synthetic:
        print(SYNTHETIC)

    from hf_cf.training import fit
    from hf_cf.training.checkpoint import FILE

    rec = fit(
        train, valid, chosen.pop("model", None), recipe=arguments.recipe,
        progress=not arguments.quiet, checkpoint=arguments.out if arguments.resume else None,
        device=arguments.device, threads=arguments.threads, text=arguments.text,
        text_model=arguments.text_model, **ranking, **chosen,
    )  # fmt: skip
    save(rec, arguments.out, **contents(arguments))
    if arguments.index:  # after saving, because an index of millions of items may fail
        rec.build_index(progress=not arguments.quiet)
        save(rec, arguments.out, **contents(arguments))
    if arguments.resume:
        (arguments.out / FILE).unlink(missing_ok=True)  # the saved model takes its place
    print(_summary(rec, arguments.out))
    if arguments.push_to_hub:
        address = rec.push_to_hub(
            arguments.push_to_hub, private=is_private(arguments), revision=arguments.revision,
            **contents(arguments),
        )  # fmt: skip
        print(f"Published: {address}")


def _tuned(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hyperparameters, and the ``ranking=`` of `fit`, of what ``hf-cf tune`` wrote."""
    from hf_cf.errors import DataFormatError
    from hf_cf.training.ranking import ImplicitALSConfig

    try:
        found = json.loads(path.read_text("utf-8"))
        settings, objective = dict(found["settings"]), found["objective"]
        if objective == "lists":
            return {}, {"ranking": ImplicitALSConfig(**settings)}
        return {"model": found["model"], **settings}, {}
    except (ValueError, TypeError, KeyError) as error:
        raise DataFormatError(f"this is not what hf-cf tune writes: {error}", file=path) from error


def _y_range(words: list[str]) -> tuple[float, float] | str | None:
    if words in (["auto"], ["scale"], ["none"]):
        return None if words == ["none"] else words[0]
    try:
        low, high = map(float, words)
    except ValueError:
        raise ValueError(
            f"--y-range {' '.join(words)}: give two numbers, auto, scale or none"
        ) from None
    return low, high


def save(rec: Recommender, out: Path, **contents: Any) -> None:
    """Write the model folder, and ``metrics.json`` next to it."""
    from hf_cf.data.whole_writes import replacing

    rec.save_pretrained(out, **contents)
    report = {
        "final": rec.metrics,
        "epochs": rec.metadata.epochs,
        "settings": rec.metadata.settings,
        "data": rec.source.name,
        "versions": rec.metadata.versions,
    }
    with replacing(out / "metrics.json") as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def _summary(rec: Recommender, out: Path) -> str:
    lines = []
    if "valid_mse" in rec.metrics:
        lines.append(
            "Validation: MSE {valid_mse:.4f}, RMSE {valid_rmse:.4f} stars, "
            "MAE {valid_mae:.4f} stars".format(**rec.metrics)
        )
    lines.append(f"Trained in {rec.metrics['seconds']:.1f} s; saved to {out}")
    return "\n".join(lines)
