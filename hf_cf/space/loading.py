"""Which model the Space serves."""

from __future__ import annotations

import os
from pathlib import Path

from hf_cf.recommender import Recommender
from hf_cf.space.errors import logged
from hf_cf.space.files import MODEL_VARIABLE
from hf_cf.space.service import Service

DEFAULT_MODEL = "models/sample"


def load_service(model: str | None = None) -> Service | str:
    """Load the model that ``HF_CF_MODEL`` names: a folder, or ``user/repo`` or ``user/repo@v1``.

    What goes wrong comes back as words for a page, without paths or ids, and is logged: a Space
    that ends is started again and again.
    """
    name = model or os.environ.get(MODEL_VARIABLE) or DEFAULT_MODEL
    try:
        return service_of(name)
    except Exception as error:
        return f"The model could not be loaded: {logged(error, f'loading the model {name}')}."


def service_of(name: str) -> Service:
    """Load a model, a folder or one on the Hub, to be served; raises what loading raises."""
    if Path(name).exists():
        rec = Recommender.from_pretrained(name)
    else:
        repo, _, revision = name.partition("@")
        rec = Recommender.from_pretrained(repo, revision=revision or None)
    service = Service(rec)
    service.prepare()
    return service
