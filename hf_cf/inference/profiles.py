"""What is known of somebody before their first rating, such as age and occupation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from hf_cf.data.features import Feature, design_matrix
from hf_cf.errors import InvalidArgument
from hf_cf.models.ridge import ridge

Profile: TypeAlias = Mapping[str, Any]
"""Features of a person by name: ``{"age": 25, "occupation": "student"}``; not all need be given."""


@dataclass(frozen=True)
class ProfileStart:
    """Moves where a visitor's vectors start: ridge regressions from features to vectors.

    Attributes
    ----------
    features : tuple of Feature
        What may stand in a profile.
    centre : Tensor, shape (p,)
        Mean of the users' features: who is average moves nothing.
    rating, ranking : Tensor, shape (p, d) and (p, k)
        How the vectors of the rating model and of the ranking head move with the features. None
        for a rating model that knows itself how its users are distributed, and without a ranking
        head.
    """

    features: tuple[Feature, ...]
    centre: Tensor
    rating: Tensor | None
    ranking: Tensor | None

    def to(self, device: str | torch.device) -> ProfileStart:
        """Return the same on a device."""
        rating, ranking = (
            None if weights is None else weights.to(device)
            for weights in (self.rating, self.ranking)
        )
        return ProfileStart(self.features, self.centre.to(device), rating, ranking)

    def read(self, profile: Profile) -> Tensor:
        """Features of one person, less the average's, shape (1, p).

        Raises
        ------
        ValueError
            A feature or a value is not among those of the training.
        """
        if not isinstance(profile, Mapping):
            raise InvalidArgument(
                'a profile is a dict such as {"age": 25, "occupation": "student"}'
            )
        known = {feature.column: feature for feature in self.features}
        for name, value in profile.items():
            if name not in known:
                raise InvalidArgument(
                    f"there is no feature {name!r}; the model knows {', '.join(known)}"
                )
            _demand_known(known[name], value)
        return self.read_table(pd.DataFrame([dict(profile)]))

    def read_table(self, table: pd.DataFrame) -> Tensor:
        """Features of people, one a row, less the average's, shape (n, p); 0 where unknown."""
        numbers = design_matrix(self.features, table)
        return torch.from_numpy(_less_centre(self.features, numbers, self.centre.numpy(force=True)))


def fit_profiles(
    features: Sequence[Feature],
    table: pd.DataFrame,
    rating: Tensor | None,
    ranking: Tensor | None,
) -> ProfileStart:
    """Fit the ridge regressions on trained users.

    Parameters
    ----------
    features : sequence of Feature
        At least one.
    table : DataFrame
        One row a user.
    rating, ranking : Tensor, shape (n, d) and (n, k)
        Vectors of the same users, for either head that is to be moved.
    """
    numbers = design_matrix(features, table)
    present = np.repeat(
        [numbers_of.any(1) for numbers_of in _by_feature(features, numbers)],
        [len(feature.values) for feature in features],
        axis=0,
    ).T
    centre = (numbers.sum(0) / present.sum(0).clip(1)).astype(np.float32)
    design = torch.from_numpy(_less_centre(features, numbers, centre)).double()
    moved = (
        None if vectors is None else ridge(design, vectors.detach().cpu().double()).weights
        for vectors in (rating, ranking)
    )
    return ProfileStart(tuple(features), torch.from_numpy(centre), *moved)


def _by_feature(
    features: Sequence[Feature], numbers: npt.NDArray[np.float32]
) -> list[npt.NDArray[np.float32]]:
    ends = np.cumsum([len(feature.values) for feature in features])
    return np.split(numbers, ends[:-1], axis=1)


def _less_centre(
    features: Sequence[Feature], numbers: npt.NDArray[np.float32], centre: npt.NDArray[Any]
) -> npt.NDArray[np.float32]:
    """Deviations from the centre; zeros where a feature is not known."""
    centred = numbers - centre.astype(np.float32)
    for part, raw in zip(
        _by_feature(features, centred), _by_feature(features, numbers), strict=True
    ):
        part[~raw.any(1)] = 0
    return centred


def _demand_known(feature: Feature, value: Any) -> None:
    if feature.kind == "number":
        try:
            fine = bool(np.isfinite(float(value)))
        except (TypeError, ValueError):
            fine = False
        if not fine:
            raise InvalidArgument(f"{feature.column}={value!r} in the profile; expected a number")
        return
    given = str(value).split("|") if feature.kind == "tags" else [str(value)]
    for one in given:
        if one not in feature.values:
            known = ", ".join(map(str, feature.values))
            raise InvalidArgument(
                f"{feature.column}={one!r} in the profile; the model knows {known}"
            )
