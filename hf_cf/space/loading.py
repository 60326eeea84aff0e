"""Which model the Space serves."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from hf_cf.recommender import Recommender
from hf_cf.space.files import MODEL_VARIABLE
from hf_cf.space.service import Service

DEFAULT_MODEL = "models/sample"

_log = logging.getLogger(__name__)


def load_service(model: str | None = None) -> Service | Exception:
    """Load the model that ``HF_CF_MODEL`` names: a folder, or ``user/repo`` or ``user/repo@v1``.

    What goes wrong comes back as the exception, for a page that says so: a Space that ends is
    started again and again.
    """
    name = model or os.environ.get(MODEL_VARIABLE) or DEFAULT_MODEL
    try:
        if Path(name).exists():
            rec = Recommender.from_pretrained(name)
        else:
            repo, _, revision = name.partition("@")
            rec = Recommender.from_pretrained(repo, revision=revision or None)
        service = Service(rec)
        service.prepare()
        return service
    except Exception as error:
        _log.exception("the model %s could not be loaded", name)
        return error
