"""``hf-cf space``: a Gradio Space that serves a model: here, on the Hub, or in a folder."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import sys
from pathlib import Path
from typing import Any

from hf_cf.cli.hub import is_private


def add_parser(commands: Any) -> None:
    """Add the commands to the parser of ``hf-cf``."""
    text = "make a Gradio Space in which people rate titles and see what to try next"
    actions = commands.add_parser("space", help=text, description=text).add_subparsers(
        required=True, metavar="action"
    )

    text = "serve a model on this machine, to a browser and to programs, until interrupted"
    serve = actions.add_parser("serve", help=text, description=text)
    serve.add_argument(
        "--model", required=True, help="folder, or on the Hub: user/movies, or user/movies@REVISION"
    )
    serve.add_argument(
        "--host", help="address to listen on (default: GRADIO_SERVER_NAME, or this machine alone)"
    )
    serve.add_argument("--port", type=_port, help="default: GRADIO_SERVER_PORT, or 7860")
    serve.set_defaults(run=_serve)

    text = "publish a Space on the Hugging Face Hub; done again, it is brought up to date"
    deploy = actions.add_parser("deploy", help=text, description=text)
    deploy.add_argument("repo", help="such as user/movie-night; created where it does not exist")
    deploy.add_argument(
        "--model", required=True, help="model on the Hub: user/movies, or user/movies@REVISION"
    )
    deploy.add_argument(
        "--private", action="store_true", default=argparse.SUPPRESS, help="make a new Space private"
    )
    deploy.add_argument(
        "--secret-token",
        action="store_true",
        help="for a private model: ask for a token (or read it from standard input) with which "
        "the Space may read it, and keep it as the Space's secret HF_TOKEN",
    )
    deploy.set_defaults(run=_deploy)

    text = "write the files of a Space into a folder"
    export = actions.add_parser("export", help=text, description=text)
    export.add_argument("folder", type=Path, help="new, or of an earlier export")
    export.add_argument("--model", help="model on the Hub that its README names: user/movies")
    export.set_defaults(run=_export)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; choose 1 to 65535")
    return int(text)


def _serve(arguments: argparse.Namespace) -> None:
    from hf_cf.space.loading import service_of
    from hf_cf.space.serving import serve, space

    app = space(service_of(arguments.model))
    with contextlib.suppress(KeyboardInterrupt):
        serve(app, arguments.host, arguments.port)


def _deploy(arguments: argparse.Namespace) -> None:
    from hf_cf.space.deployment import deploy_space

    token = _token() if arguments.secret_token else None
    print(f"Publishing the Space {arguments.repo} for the model {arguments.model} ...", flush=True)
    address = deploy_space(
        arguments.repo, arguments.model, private=is_private(arguments), model_token=token
    )
    print(f"The Space, which the Hub now builds: {address}")


def _token() -> str:
    # Never a flag's value: what is typed into a command line is kept by the shell.
    asked = "Token with read access to the model: "
    token = getpass.getpass(asked) if sys.stdin.isatty() else sys.stdin.readline()
    if not token.strip():
        raise ValueError("--secret-token: no token was given")
    return token.strip()


def _export(arguments: argparse.Namespace) -> None:
    from hf_cf.space.files import MODEL_VARIABLE, export_space

    written = export_space(arguments.folder, arguments.model)
    print(
        f"{len(written)} files of a Space in {arguments.folder}; its README.md says how to start "
        f"it. The model that it serves is named by the variable {MODEL_VARIABLE}"
    )
