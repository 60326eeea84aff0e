"""The one table of what may be asked of a Space.

Its entries become gradio's named endpoints, the tools of MCP, the functions of the pages, and the
plain routes ``POST /api/NAME``: a name, a function, what it takes and gives, and its description.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from inspect import Parameter, Signature, getdoc, signature
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model

from hf_cf.data.words import ItemWords
from hf_cf.space.errors import InvalidInput, quoted
from hf_cf.space.group import GroupFunctions
from hf_cf.space.page_functions import PageFunctions
from hf_cf.space.service import Service

WITHOUT_REASONS = {"explain": False}
"""Defaults that programs get and pages do not: reasons cost more than the rest of an answer."""

Values = Mapping[str, Any]

_FILMS = ItemWords.of("film")


@dataclass(frozen=True)
class Endpoint:
    """One thing that may be asked.

    Attributes
    ----------
    name : str
        As it is called by.
    function : callable
        Answers; its parameters, types and numpydoc docstring are the endpoint's.
    public : bool
        Whether programs are told of it; the others are for the Space's own pages.
    defaults : mapping of str to value
        In place of those of the function.
    words : ItemWords
        What descriptions call the items; docstrings speak of films.
    """

    name: str
    function: Callable[..., Any]
    public: bool = True
    defaults: Values | None = None
    words: ItemWords = _FILMS

    @cached_property
    def signature(self) -> Signature:
        """The parameters with their types and defaults."""
        whole = signature(self.function, eval_str=True)
        changed = self.defaults or {}
        return whole.replace(
            parameters=[
                each.replace(default=changed.get(name, each.default))
                for name, each in whole.parameters.items()
            ]
        )

    @cached_property
    def required(self) -> list[str]:
        """Parameters without a default."""
        parameters = self.signature.parameters.items()
        return [name for name, each in parameters if each.default is Parameter.empty]

    @cached_property
    def description(self) -> Description:
        """What the docstring says."""
        return Description.of(self.words.instead_of_films(getdoc(self.function) or ""))

    @cached_property
    def request(self) -> type[BaseModel]:
        """The typed request: a field a parameter; null stands for a default."""
        fields: Any = {
            name: (
                each.annotation if name in self.required else each.annotation | None,
                Field(
                    ... if each.default is Parameter.empty else each.default,
                    description=self.description.parameters.get(name),
                ),
            )
            for name, each in self.signature.parameters.items()
        }
        title = "".join(word.capitalize() for word in self.name.split("_"))
        return create_model(f"{title}Request", __config__=ConfigDict(extra="forbid"), **fields)

    def request_schema(self) -> dict[str, Any]:
        """JSON schema of the request."""
        return self.request.model_json_schema()

    def answer_schema(self) -> dict[str, Any]:
        """JSON schema of the answer."""
        schema = TypeAdapter(self.signature.return_annotation).json_schema()
        return {**schema, "description": self.description.returns}

    def ask(self, values: Values) -> Any:
        """The answer to a call by named values; null stands for the default.

        Raises
        ------
        InvalidInput
            A value is of no parameter, or one is missing.
        """
        parameters = self.signature.parameters
        unknown = values.keys() - parameters.keys()
        if unknown:
            raise InvalidInput(
                f"{self.name} takes no {quoted(min(unknown))}; it takes {', '.join(parameters)}"
            )
        given = {name: value for name, value in values.items() if value is not None}
        missing = [name for name in self.required if name not in given]
        if missing:
            raise InvalidInput(f"{self.name} needs {' and '.join(missing)}")
        return self.function(**{**(self.defaults or {}), **given})


@dataclass(frozen=True)
class Description:
    """A numpydoc docstring in parts, each on one line.

    Attributes
    ----------
    text : str
        What stands before the sections.
    parameters : mapping of str to str
    returns : str
    """

    text: str
    parameters: Mapping[str, str]
    returns: str

    @classmethod
    def of(cls, doc: str) -> Description:
        """Take a docstring apart."""
        text, *sections = re.split(r"\n\n(?=\w+\n-+\n)", doc)
        entries = {
            section.split("\n")[0]: [
                (name, " ".join(words.split()))
                for name, words in re.findall(
                    r"^(\S+).*\n((?:    .*\n?|\n(?=    ))+)", section.split("\n", 2)[2], re.M
                )
            ]
            for section in sections
        }
        returns = entries.get("Returns", [])
        return cls(
            " ".join(text.split()),
            dict(entries.get("Parameters", ())),
            returns[0][1] if returns else "",
        )

    def as_gradio_reads(self) -> str:
        """The docstring that gradio takes apart: a line a parameter, under "Args:"."""
        lines = [self.text, "", "Args:"]
        lines += [f"    {name}: {words}" for name, words in self.parameters.items()]
        return "\n".join([*lines, "", "Returns:", f"    {self.returns}"])


PUBLIC = (
    "recommend", "recommend_for_user", "recommend_together", "predict", "similar", "search",
    "next_questions", "explain", "model_info",
)  # fmt: skip
OF_PAGES = (
    "users", "user_history", "user_held_out", "film_map", "film", "portrait", "read_list",
    "unknown_items",
)  # fmt: skip


def endpoints_of(service: Service) -> dict[str, Endpoint]:
    """The table, by name."""
    pages = PageFunctions(service)
    words = ItemWords.of("item") if service.words.singular == "title" else service.words
    together = GroupFunctions(service).recommend_together
    functions = {
        name: together if name == "recommend_together" else getattr(service, name)
        for name in PUBLIC
    }
    functions |= {name: getattr(pages, name) for name in OF_PAGES}
    table = {}
    for name, function in functions.items():
        is_public = name in PUBLIC
        explains = is_public and "explain" in signature(function).parameters
        defaults = WITHOUT_REASONS if explains else None
        table[name] = Endpoint(name, function, is_public, defaults, words)
    return table


def named(endpoint: Endpoint, values: Sequence[Any]) -> dict[str, Any]:
    """Values in order, by name."""
    parameters = list(endpoint.signature.parameters)
    if len(values) > len(parameters):
        raise InvalidInput(
            f"{endpoint.name} takes at most {len(parameters)} values: {', '.join(parameters)}",
            HTTPStatus.BAD_REQUEST,
        )
    return dict(zip(parameters, values, strict=False))
