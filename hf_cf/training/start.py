"""Where training starts: at the data's own biases, in the units before a model's output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hf_cf.data.ratings import Ratings
from hf_cf.evaluation.baselines import chosen_damping
from hf_cf.models import CollabNN, RatingClassifier, RatingModel
from hf_cf.models.dot import DotModel

Floats = npt.NDArray[np.float64]

_REACH = 12.0  # how far a table of a link reaches, in units before the output
_POINTS = 4_001
_STEPS, _STEPS_OF_MANY = 8, 2
_MANY = 1_000_000  # ratings
_LONGEST_STEP = 1.0


@dataclass(frozen=True)
class Link:
    """What turns the units before a model's output into stars: an increasing function as a table.

    Attributes
    ----------
    inputs, stars : float64 array, shape (n,)
        Ascending, and where the inputs lead to.
    """

    inputs: Floats
    stars: Floats

    @classmethod
    def sigmoid(cls, low: float, high: float) -> Link:
        """A sigmoid over a range of stars."""
        inputs = np.linspace(-_REACH, _REACH, _POINTS)
        return cls(inputs, low + (high - low) / (1 + np.exp(-inputs)))

    @classmethod
    def tilted(cls, levels: Floats, logits: Floats) -> Link:
        """Mean over levels whose logits have ``input * level`` added, of levels in unit steps.

        ``levels`` have mean 0 and standard deviation 1 under ``logits``.
        """
        inputs = np.linspace(-_REACH, _REACH, _POINTS)
        tilted = logits + inputs[:, None] * levels
        weights = np.exp(tilted - tilted.max(1, keepdims=True))
        return cls(inputs, (weights @ levels) / weights.sum(1))

    def inverse(self, stars: float) -> float:
        """Input that leads to some stars."""
        return float(np.interp(stars, self.stars, self.inputs))

    def at(self, inputs: Floats) -> tuple[Floats, Floats]:
        """Stars and their derivatives."""
        slopes = np.gradient(self.stars, self.inputs)
        return np.interp(inputs, self.inputs, self.stars), np.interp(inputs, self.inputs, slopes)


@dataclass(frozen=True)
class LinkedBiases:
    """Stars are ``link(constant + users[u] + items[i])``; the biases are 0 where nothing is known.

    Attributes
    ----------
    constant : float
    users, items : float64 array, shape (n_users,), (n_items,)
        By code.
    """

    constant: float
    users: Floats
    items: Floats


def linked_biases(train: Ratings, stars: Floats, link: Link) -> LinkedBiases:
    """Fit damped biases before an output, the damping chosen by cross-validation.

    The squared error and a ridge that counts as some ratings more, as in `damped_biases`; by
    Gauss-Newton steps of users and items alternately.

    Parameters
    ----------
    train : Ratings
        Whose codes are used.
    stars : float64 array, shape (n,)
        Its ratings in the link's units.
    link : Link
    """
    damping = chosen_damping(train)
    known = (train.user_codes > 0) & (train.item_codes > 0)
    codes = [train.user_codes[known], train.item_codes[known]]
    stars = stars[known]
    biases = [np.zeros(len(train.users)), np.zeros(len(train.items))]
    constant = link.inverse(float(stars.mean()))
    slope = max(float(link.at(np.array([constant]))[1][0]), 1e-6)
    ridges = [damping.user * slope**2, damping.item * slope**2]
    for _ in range(_STEPS if len(stars) <= _MANY else _STEPS_OF_MANY):
        for side in (1, 0):
            mine, size = codes[side], len(biases[side])
            inner = constant + biases[0][codes[0]] + biases[1][codes[1]]
            predicted, slopes = link.at(inner)
            pull = np.bincount(mine, slopes * (stars - predicted), size)
            weight = np.bincount(mine, slopes**2, size) + ridges[side]
            step = (pull - ridges[side] * biases[side]) / weight
            biases[side] += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
    return LinkedBiases(constant, *biases)


def start_at_biases(model: nn.Module, pure: RatingModel, train: Ratings) -> None:
    """Set a model's weights so that it predicts damped biases, apart from its small factors.

    Parameters
    ----------
    model : nn.Module
        What is trained, with random weights; its tables are those of `pure` by name.
    pure : RatingModel
        Tells the kind and the range.
    train : Ratings
    """
    stars = train.stars.astype(np.float64)
    with torch.no_grad():
        if isinstance(pure, RatingClassifier):
            _start_classifier(model, pure, train, stars)
        elif isinstance(pure, CollabNN):
            y_range = pure.settings["y_range"]
            found = linked_biases(train, stars, _link(y_range, stars))
            _pass_biases_through(model, found, found.constant, torch.ones(1))
        elif isinstance(pure, DotModel) and pure.bias_tables is not None:
            found = linked_biases(train, stars, _link(pure.y_range, stars))
            users, items = (getattr(model, name).weight for name in pure.bias_tables)
            users[:, 0] = _like(found.constant + found.users, users)
            items[:, 0] = _like(found.items, items)


def _link(y_range: tuple[float, float] | None, stars: Floats) -> Link:
    if y_range is not None:
        return Link.sigmoid(*y_range)
    reach = np.array([-1.0, 1.0]) * (4 * np.ptp(stars) + 1) + stars.mean()
    return Link(reach, reach)


def _start_classifier(
    model: nn.Module, pure: RatingClassifier, train: Ratings, stars: Floats
) -> None:
    levels = pure.levels.double().numpy()
    nearest = np.abs(stars[:, None] - levels).argmin(1) if len(levels) < 2 else (
        np.rint((stars - levels[0]) / (levels[1] - levels[0])).astype(int)
    )
    counts = np.bincount(nearest.clip(0, len(levels) - 1), minlength=len(levels))
    shares = (counts + 1 / len(levels)) / (counts.sum() + 1)
    mean = shares @ levels
    spread = max(float(np.sqrt(shares @ (levels - mean) ** 2)), 1e-6 * float(np.ptp(levels) + 1))
    unit, logits = (levels - mean) / spread, np.log(shares)
    found = linked_biases(train, (stars - mean) / spread, Link.tilted(unit, logits))
    slopes = torch.from_numpy(unit).float()
    _pass_biases_through(model, found, 0.0, slopes)
    model.layers[2].bias += torch.from_numpy(logits + found.constant * unit).float()


def _pass_biases_through(
    model: nn.Module, found: LinkedBiases, constant: float, slopes: Tensor
) -> None:
    """Let one hidden unit of a network hand the sum of two biases on to its outputs.

    The first column of both embeddings holds the biases. Other units start as they were, less
    what they say of everybody.
    """
    first, last = model.layers[0], model.layers[2]
    users, items = model.user_factors.weight, model.item_factors.weight
    users[:, 0], items[:, 0] = _like(found.users, users), _like(found.items, items)
    # Far enough above zero for the unit to be linear.
    above = 1 + 2 * float(np.abs(found.users).max() + np.abs(found.items).max())
    first.weight[:, [0, users.shape[1]]] = 0
    first.weight[0] = 0
    first.weight[0, [0, users.shape[1]]] = 1
    first.bias[0] = above
    last.weight[:, 0] = slopes
    last.bias[:] = 0
    last.bias[:] = constant - last.weight @ first.bias.relu()


def _like(values: Floats, weight: Tensor) -> Tensor:
    return torch.from_numpy(values).to(weight)
