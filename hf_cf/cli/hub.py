"""``hf-cf push`` and ``hf-cf pull``: a model's folder to the Hugging Face Hub, and back."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the commands to the parser of ``hf-cf``."""
    text = "publish a model's folder on the Hugging Face Hub"
    push = commands.add_parser("push", help=text, description=text)
    push.add_argument("folder", type=Path, help="written by hf-cf train or save_pretrained")
    push.add_argument("repo", help="such as user/movies; created where it does not exist")
    add_destination(push)
    push.add_argument(
        "--create-pr", action="store_true", help="open a pull request instead of writing"
    )
    push.add_argument("--message", help="title of the commit")
    add_contents(push)
    push.set_defaults(run=_push)

    text = "copy a model from the Hugging Face Hub into a folder"
    pull = commands.add_parser("pull", help=text, description=text)
    pull.add_argument("repo", help="such as user/movies")
    pull.add_argument("folder", type=Path, help="a model that is there is replaced")
    pull.add_argument("--revision", help="branch, tag or commit (default: the main branch)")
    pull.set_defaults(run=_pull)


def add_destination(parser: argparse._ActionsContainer) -> None:
    """Add the flags that say where on the Hub a model goes."""
    parser.add_argument(
        "--private",
        action="store_true",
        default=argparse.SUPPRESS,
        help="make a new repository private",
    )
    parser.add_argument("--revision", help="branch of the repository, created where needed")


def is_private(arguments: argparse.Namespace) -> bool | None:
    """Whether ``--private`` was given; None leaves it to the account's default."""
    return getattr(arguments, "private", None)


def add_contents(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what of a model is kept; see `contents`."""
    history = parser.add_mutually_exclusive_group()
    history.add_argument(
        "--include-history", action="store_true", default=argparse.SUPPRESS,
        help="keep who rated what, for leaving out what a user has seen; where neither flag is "
        "given, it is kept if the licence of the data allows passing it on",
    )  # fmt: skip
    history.add_argument(
        "--no-history", dest="include_history", action="store_false", default=argparse.SUPPRESS,
        help="leave out who rated what",
    )  # fmt: skip
    parser.add_argument(
        "--no-users", dest="include_users", action="store_false", default=argparse.SUPPRESS,
        help="leave the known users out; the model serves visitors only",
    )  # fmt: skip
    parser.add_argument(
        "--dtype", choices=("float32", "float16"), default=argparse.SUPPRESS,
        help="how numbers are stored: float32, or float16, which takes half",
    )  # fmt: skip


def contents(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the flags of `add_contents` say, as `Recommender.save_pretrained` takes it."""
    names = ("include_history", "include_users", "dtype")
    return {name: getattr(arguments, name) for name in names if hasattr(arguments, name)}


def _push(arguments: argparse.Namespace) -> None:
    from hf_cf.storage.publishing import push_folder

    address = push_folder(
        arguments.folder, arguments.repo,
        private=is_private(arguments), revision=arguments.revision,
        create_pr=arguments.create_pr, commit_message=arguments.message, **contents(arguments),
    )  # fmt: skip
    print(f"Published: {address}")


def _pull(arguments: argparse.Namespace) -> None:
    from hf_cf.recommender import Recommender
    from hf_cf.storage.publishing import pull

    model = Recommender(pull(arguments.repo, arguments.folder, revision=arguments.revision))
    print(f"{model}\nSaved to {arguments.folder}")
