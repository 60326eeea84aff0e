"""The command line: ``hf-cf train``, ``recommend``, ``predict``, ``evaluate``, ``push``, ...

Each command is a module with ``add_parser``; what it imports beyond its flags, it imports when run.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

import shtab

from hf_cf import __version__
from hf_cf.cli import answer, evaluate, hub, space, spark, train, tune
from hf_cf.cli.data import with_flags
from hf_cf.errors import DataFormatError, DownloadError, ModelFormatError, UnknownItem, UnknownUser

_COMMANDS = (train, tune, answer, evaluate, hub, space, spark)
_EXPECTED = (
    DataFormatError, DownloadError, ModelFormatError, UnknownItem, UnknownUser, ValueError, OSError
)  # fmt: skip
_EXTRAS = {
    "fastai": "train",
    "matplotlib": "train",
    "gradio": "space",
    "optuna": "tune",
    "pyspark": "spark",
    "model2vec": "text",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0, or 1 after an error that the user can mend."""
    parser = argparse.ArgumentParser(
        prog="hf-cf", description="Train, use and publish recommenders."
    )
    parser.add_argument("--version", action="version", version=f"hf-cf {__version__}")
    shtab.add_argument_to(parser, "--print-completion", help="print a script for a shell to read")
    commands = parser.add_subparsers(required=True, metavar="command")
    for module in _COMMANDS:
        module.add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            arguments.run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nInterrupted; whatever was saved before is whole.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as head, has what it wanted
        # The rest of the buffer goes nowhere, or Python complains of it when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        print(
            f"hf-cf: {error.name} is not installed; get it with: pip install 'hf-cf[{extra}]'",
            file=sys.stderr,
        )
        return 1
    except _EXPECTED as error:
        print(f"hf-cf: {with_flags(str(error))}", file=sys.stderr)
        return 1
    return 0


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"Note: {with_flags(str(message))}", file=sys.stderr)
