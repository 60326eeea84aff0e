"""What the Hub's ``/api/validate-yaml`` says about the metadata of a card, as far as we use it.

The rules are those of the Hub's documentation of model cards and of the Space configuration; a
card that passes here may still meet a rule of the real Hub that is not written down.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml
from huggingface_hub.repocard import REGEX_YAML_BLOCK
from huggingface_hub.repocard_data import model_index_to_eval_results

_COLORS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
_LICENSES = """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bsd bsd-2-clause
    bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0
    cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 afl-3.0 artistic-2.0 bsl-1.0
    ecl-2.0 epl-1.0 epl-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0
    isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl ofl-1.1 osl-3.0 pddl postgresql ncsa unlicense zlib
    unknown other"""
_REPO_ID = re.compile(r"(?:[\w.-]{1,96}/)?[\w.-]{1,96}", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}|code|multilingual")

Rule = tuple[Callable[[Any], bool], str]


def _each(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: all(accepts(item) for item in _as_list(value))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_repo_id(value: Any) -> bool:
    return _is_text(value) and _REPO_ID.fullmatch(value) is not None


def _is_model_index(value: Any) -> bool:
    try:
        name, _ = model_index_to_eval_results(value)
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    return _is_text(name)


_ANY_CARD: dict[str, Rule] = {
    "license": (
        _each(set(_LICENSES.split()).__contains__),
        "must be a license id that the Hub knows",
    ),
    "license_name": (_is_text, "must be a string"),
    "tags": (lambda v: isinstance(v, list) and _each(_is_text)(v), "must be an array of strings"),
    "datasets": (_each(_is_repo_id), "must be an array of dataset ids"),
}
_RULES: dict[str, dict[str, Rule]] = {
    "model": _ANY_CARD
    | {
        "library_name": (_is_text, "must be a string"),
        "pipeline_tag": (_is_text, "must be a string"),
        "language": (
            _each(lambda v: _is_text(v) and _LANGUAGE.fullmatch(v) is not None),
            "must be an ISO 639-1, 639-2 or 639-3 code",
        ),
        "metrics": (_each(_is_text), "must be an array of strings"),
        "base_model": (_each(_is_repo_id), "must be a model id"),
        "model-index": (_is_model_index, "must list results with a task, a dataset and metrics"),
    },
    "space": _ANY_CARD
    | {
        "sdk": ({"gradio", "docker", "static"}.__contains__, "must be gradio, docker or static"),
        "sdk_version": (_is_text, "must be a string"),
        "colorFrom": (_COLORS.__contains__, "must be one of the Hub's colors"),
        "colorTo": (_COLORS.__contains__, "must be one of the Hub's colors"),
        "models": (_each(_is_repo_id), "must be an array of model ids"),
        "short_description": (
            lambda v: _is_text(v) and len(v) <= 60,
            "length must be less than or equal to 60 characters long",
        ),
    },
}


def card_findings(content: str, repo_type: str = "model") -> tuple[list[str], list[str]]:
    """Check a card's metadata.

    Parameters
    ----------
    content : str
        The text of the card, from the first ``---`` on.
    repo_type : {"model", "space", "dataset"}
        What kind of repository the card is for.

    Returns
    -------
    errors, warnings : list of str
        What the Hub would refuse, and what it would only remark on.
    """
    block = REGEX_YAML_BLOCK.search(content)
    try:
        metadata = yaml.safe_load(block.group(2)) if block else None
    except yaml.YAMLError as error:
        return [f"invalid YAML: {error}"], []
    if metadata is None:
        return [], ["empty or missing yaml metadata in repo card"]
    if not isinstance(metadata, dict):
        return ["yaml metadata must be an object"], []
    rules = _RULES.get(repo_type, _ANY_CARD)
    errors = [
        f'"{name}" {complaint}'
        for name, (accepts, complaint) in rules.items()
        if name in metadata and not _accepted(accepts, metadata[name])
    ]
    if metadata.get("license") == "other" and not metadata.get("license_name"):
        return errors, ['"license_name" is recommended when "license" is "other"']
    return errors, []


def _accepted(accepts: Callable[[Any], bool], value: Any) -> bool:
    try:
        return accepts(value)
    except TypeError:  # an unhashable value where a word was expected
        return False
