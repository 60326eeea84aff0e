"""What the pages call while they are used: the service, and answers that only pages need.

They are no endpoints: gradio calls them by component, and neither its API page nor MCP lists them.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any

from hf_cf.space import inputs
from hf_cf.space.errors import BUSY, problem
from hf_cf.space.films import Json
from hf_cf.space.lists import ListReader
from hf_cf.space.portrait import portrait
from hf_cf.space.service import Service

_AT_ONCE = 4
_PATIENCE = 15.0  # seconds

Answer = dict[str, Any]

_log = logging.getLogger(__name__)


class PageFunctions:
    """Functions of one JSON object, which answer ``{"answer": ...}`` or ``{"error": words}``.

    At most four compute at the same time; who has waited 15 seconds is told to try again.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._room = threading.BoundedSemaphore(_AT_ONCE)

    def all(self) -> list[Callable[[Any], Answer]]:
        """Give what the pages may call, named as they call it."""
        service = self._service
        return [
            self._answering(function)
            for function in (
                service.model_info, service.search, service.recommend, service.next_questions,
                service.recommend_for_user, service.users, service.user_history,
                service.user_held_out, service.similar, service.film_map, self.portrait,
                self.read_list, self.unknown_items,
            )
        ]  # fmt: skip

    def portrait(self) -> Json:
        """Measurements, popularity and biases of the model, with films."""
        found = portrait(self._service.rec)
        for name in ("most_liked", "least_liked"):
            films = self._service.films([item for item, _ in found[name]])
            found[name] = [
                film | {"bias": bias} for film, (_, bias) in zip(films, found[name], strict=True)
            ]
        return found

    def read_list(self, text: str) -> Json:
        """Films of a list that a visitor brings, with their ``rating``, and what is missing."""
        read = self._reader.read(text)
        kept = dict(list(read.ratings.items())[: inputs.MOST_RATINGS])
        films = self._service.films(list(kept))
        return {
            "films": [
                film | {"rating": stars} for film, stars in zip(films, kept.values(), strict=True)
            ],
            "missing": read.missing,
            "n_missing": read.n_missing,
        }

    def unknown_items(self, items: list[Any]) -> list[Any]:
        """Those of a visitor's items that this model does not have."""
        wanted = inputs.items(items, "items", inputs.MOST_RATINGS + inputs.MOST_ITEMS)
        known = self._reader.ids
        return [item for item in wanted if item not in known]

    @cached_property
    def _reader(self) -> ListReader:
        rec = self._service.rec
        best_known = rec.catalogue.sort_values("n_ratings", ascending=False, kind="stable")
        films = self._service.films(best_known["id"])
        return ListReader(
            [(film["item"], film["title"], film["year"]) for film in films], rec.scale
        )

    def _answering(self, function: Callable[..., Any]) -> Callable[[Any], Answer]:
        def answer(values: Any = None) -> Answer:
            if not isinstance(values, dict):
                return {"error": "The page sent something that is no request."}
            if not self._room.acquire(timeout=_PATIENCE):
                return {"error": BUSY}
            try:
                return {"answer": function(**values)}
            except Exception as error:
                status, message = problem(error)
                if status >= 500:
                    _log.exception("a page called %s", function.__name__)
                return {"error": message}
            finally:
                self._room.release()

        answer.__name__ = function.__name__
        return answer
