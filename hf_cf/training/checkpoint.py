"""The state of a training run on disk, so that a run that was killed goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hf_cf.data.ratings import Ratings
from hf_cf.data.whole_writes import replacing
from hf_cf.errors import ModelFormatError
from hf_cf.training.settings import TrainingSettings

FILE = "checkpoint.safetensors"


class State(NamedTuple):
    """Where a run stands.

    Attributes
    ----------
    tensors : dict of str to Tensor
        Weights, the optimiser's memory, states of random generators.
    metadata : dict
        Plain JSON values; ``epochs``, the records so far, among them.
    """

    tensors: dict[str, Tensor]
    metadata: dict[str, Any]


class Checkpoint:
    """The last state of one training run, a single file; each state replaces the one before.

    Parameters
    ----------
    folder : str or Path
        Holds the file ``checkpoint.safetensors``; made if it is not there.
    run : mapping
        What the run is, plain JSON values: see `describe_run`. A state of another run is refused.
    """

    def __init__(self, folder: str | Path, run: Mapping[str, Any]) -> None:
        self.path = Path(folder) / FILE
        self.run = json.loads(json.dumps(run))
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def save(self, state: State) -> None:
        """Write a state, then put it into the place of the last one."""
        tensors = {name: t.detach().cpu().contiguous() for name, t in state.tensors.items()}
        words = json.dumps({"run": self.run, "facts": state.metadata})
        with replacing(self.path) as temporary:
            save_file(tensors, temporary, metadata={"state": words})

    def load(self) -> State | None:
        """Read the last state; None where there is none yet.

        Raises
        ------
        ValueError
            It is the state of another run; the message says what differs.
        ModelFormatError
            The file is no checkpoint, or was damaged.
        """
        if not self.path.is_file():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                words = json.loads((file.metadata() or {})["state"])
                run, metadata = words["run"], words["facts"]
                differences = list(_differences(run, self.run))
                # Copies: tensors that map the file would change when the file is replaced.
                names = [] if differences else file.keys()
                tensors = {name: file.get_tensor(name).clone() for name in names}
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ModelFormatError(f"this is no checkpoint: {error}", file=self.path) from error
        if differences:
            raise ValueError(
                f"{self.path} is the checkpoint of another run: {'; '.join(differences)}. "
                "Give what it was begun with, or delete the file to begin anew"
            )
        return State(tensors, metadata)


def describe_run(
    settings: TrainingSettings, train: Ratings, valid: Ratings | None
) -> dict[str, Any]:
    """Say what decides the weights of a run: its settings and its ratings."""
    run = {
        "settings": settings.to_dict(),
        "training ratings": _digest(train),
        "validation ratings": None if valid is None else _digest(valid),
    }
    if settings.model == "bayesian_mf":
        if settings.features:
            run["features of users and items"] = _digest_of_features(train)
        if settings.dates and train.timestamps is not None:
            run["times of the ratings"] = hashlib.sha256(
                np.ascontiguousarray(train.timestamps).data
            ).hexdigest()
    return run


def _digest_of_features(ratings: Ratings) -> str:
    """SHA-256 of the catalogue and the table of users."""
    digest = hashlib.sha256()
    for table in (ratings.catalogue, ratings.user_features):
        digest.update(b"" if table is None else table.to_csv().encode())
    return digest.hexdigest()


def _digest(ratings: Ratings) -> str:
    """SHA-256 of codes, stars and ids."""
    digest = hashlib.sha256()
    for column in (ratings.user_codes, ratings.item_codes, ratings.stars):
        digest.update(np.ascontiguousarray(column).data)
    for vocab in (ratings.users, ratings.items):
        ids = vocab.ids
        digest.update(ids.tobytes() if vocab.is_integer else json.dumps(ids.tolist()).encode())
    return digest.hexdigest()


def _differences(there: Any, here: Any, name: str = "") -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for key in there.keys() | here.keys():
            yield from _differences(there.get(key), here.get(key), key)
    elif there != here:
        digests = name.endswith(("ratings", "items"))
        yield f"other {name}" if digests else f"{name}={there!r} there, {name}={here!r} here"
