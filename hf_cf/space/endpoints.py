"""The Space's endpoints for programs, over HTTP, ``gradio_client`` and MCP."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr
from gradio.events import api

from hf_cf.errors import UnknownItem, UnknownUser
from hf_cf.space.service import Service


def add_endpoints(service: Service) -> None:
    """Add the named endpoints to the ``gr.Blocks`` whose context is open."""

    def recommend(
        ratings: dict[str, float],
        n: int = 12,
        genres: list[str] = [],  # noqa: B006
        years: list[int] | None = None,
        novelty: float = 0.0,
        diversity: float = 0.0,
        exclude: list[str] = [],  # noqa: B006
        min_ratings: int = 0,
        explain: bool = True,
    ) -> list[dict[str, Any]]:
        """Recommend films to somebody who rated some."""
        return service.recommend(
            ratings, n, genres, years, novelty, diversity, exclude, min_ratings, explain
        )

    def recommend_for_user(
        user: str,
        n: int = 12,
        genres: list[str] = [],  # noqa: B006
        years: list[int] | None = None,
        novelty: float = 0.0,
        diversity: float = 0.0,
        exclude: list[str] = [],  # noqa: B006
        min_ratings: int = 0,
        explain: bool = True,
    ) -> list[dict[str, Any]]:
        """Recommend films to somebody whom the model was trained on."""
        return service.recommend_for_user(
            user, n, genres, years, novelty, diversity, exclude, min_ratings, explain
        )

    def predict(
        items: list[str], ratings: dict[str, float] | None = None, user: str | None = None
    ) -> list[dict[str, Any]]:
        """Predict how many stars somebody would give films."""
        return service.predict(items, ratings, user)

    def similar(item: str, n: int = 12) -> list[dict[str, Any]]:
        """Find the films most like one."""
        return service.similar(item, n)

    def search(text: str, n: int = 8) -> list[dict[str, Any]]:
        """Find films by title as people type it."""
        return service.search(text, n)

    def next_questions(
        ratings: dict[str, float] | None = None,
        n: int = 8,
        exclude: list[str] = [],  # noqa: B006
    ) -> list[dict[str, Any]]:
        """Pick the films whose rating would tell most about somebody."""
        return service.next_questions(ratings, n, exclude)

    def explain(
        item: str,
        ratings: dict[str, float] | None = None,
        user: str | None = None,
        n: int = 3,
    ) -> list[dict[str, Any]]:
        """Say which ratings moved the predicted stars of a film most."""
        return service.explain(item, ratings, user, n)

    def model_info() -> dict[str, Any]:
        """Describe the model: data, licence, sizes, metrics and rating scale."""
        return service.model_info()

    for endpoint in (
        recommend,
        recommend_for_user,
        predict,
        similar,
        search,
        next_questions,
        explain,
        model_info,
    ):
        api(_saying_what_is_wrong(endpoint), api_name=endpoint.__name__)


def _saying_what_is_wrong(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(endpoint)
    def answer(*args: Any) -> Any:
        try:
            return endpoint(*args)
        except (ValueError, UnknownItem, UnknownUser) as error:
            raise gr.Error(str(error), print_exception=False) from None

    return answer
