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
_DENSE = 6.0  # ratings a user or item
_ENOUGH = 20_000
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
        gradients = np.gradient(self.stars, self.inputs)
        return np.interp(inputs, self.inputs, self.stars), np.interp(inputs, self.inputs, gradients)


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
    gradient = max(float(link.at(np.array([constant]))[1][0]), 1e-6)
    ridges = [damping.user * gradient**2, damping.item * gradient**2]
    for _ in range(_STEPS if len(stars) <= _MANY else _STEPS_OF_MANY):
        for side in (1, 0):
            mine, size = codes[side], len(biases[side])
            inner = constant + biases[0][codes[0]] + biases[1][codes[1]]
            predicted, gradients = link.at(inner)
            pull = np.bincount(mine, gradients * (stars - predicted), size)
            weight = np.bincount(mine, gradients**2, size) + ridges[side]
            step = (pull - ridges[side] * biases[side]) / weight
            biases[side] += np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
    return LinkedBiases(constant, *biases)


def is_sparse(train: Ratings) -> bool:
    """Whether ratings are so few a user and item that training from random weights would not do.

    From random weights the factors and the biases grow together, which is better where every row
    has many steps to do so; few steps do not reach the level of the ratings.
    """
    counts = train.user_counts()[1:], train.item_counts()[1:]
    rows = sum(int((side > 0).sum()) for side in counts)
    return len(train) < _DENSE * max(rows, 1) or len(train) < _ENOUGH


def start_at_biases(model: RatingModel, train: Ratings) -> None:
    """Set a model's weights so that it predicts damped biases, apart from its small factors.

    Dot products with biases, `CollabNN` and `RatingClassifier`; other models stay as they are.
    """
    stars = train.stars.astype(np.float64)
    with torch.no_grad():
        if isinstance(model, RatingClassifier):
            _start_classifier(model, train, stars)
        elif isinstance(model, CollabNN):
            found = linked_biases(train, stars, _link(model.settings["y_range"], stars))
            _pass_biases_through(model, found, found.constant, torch.ones(1))
        elif isinstance(model, DotModel) and model.bias_tables is not None:
            found = linked_biases(train, stars, _link(model.y_range, stars))
            (_, users), (_, items) = model.tables()
            users.weight[:, 0] = _like(found.constant + found.users, users.weight)
            items.weight[:, 0] = _like(found.items, items.weight)


def _link(y_range: tuple[float, float] | None, stars: Floats) -> Link:
    if y_range is not None:
        return Link.sigmoid(*y_range)
    reach = 4 * float(np.ptp(stars)) + 1
    ends = float(stars.mean()) + np.array([-reach, reach])
    return Link(ends, ends)


def _start_classifier(model: RatingClassifier, train: Ratings, stars: Floats) -> None:
    levels = model.levels.double().numpy(force=True)
    step = (levels[-1] - levels[0]) / (len(levels) - 1)
    nearest = np.rint((stars - levels[0]) / step).astype(np.int64).clip(0, len(levels) - 1)
    counts = np.bincount(nearest, minlength=len(levels))
    shares = (counts + 1 / len(levels)) / (counts.sum() + 1)
    mean = float(shares @ levels)
    spread = float(np.sqrt(shares @ (levels - mean) ** 2))
    unit, logits = (levels - mean) / spread, np.log(shares)
    found = linked_biases(train, (stars - mean) / spread, Link.tilted(unit, logits))
    _pass_biases_through(model, found, 0.0, torch.from_numpy(unit).float())
    last = model.layers[2]
    assert isinstance(last, nn.Linear)
    last.bias.add_(_like(logits + found.constant * unit, last.bias))


def _pass_biases_through(
    model: CollabNN, found: LinkedBiases, constant: float, weights: Tensor
) -> None:
    """Let one hidden unit of a network hand the sum of two biases on to its outputs.

    The first column of both embeddings holds the biases. Other units start as they were, less
    what they say of everybody.
    """
    first, last = model.first, model.layers[2]
    assert isinstance(last, nn.Linear)
    users, items = model.user_factors.weight, model.item_factors.weight
    users[:, 0], items[:, 0] = _like(found.users, users), _like(found.items, items)
    # Far enough above zero for the unit to be linear.
    above = 1 + 2 * float(np.abs(found.users).max() + np.abs(found.items).max())
    columns = [0, users.shape[1]]
    first.weight[:, columns] = 0
    first.weight[0] = 0
    first.weight[0, columns] = 1
    first.bias[0] = above
    last.weight[:, 0] = weights.to(last.weight)
    last.bias[:] = constant - last.weight @ first.bias.relu()


def _like(values: Floats, weight: Tensor) -> Tensor:
    return torch.from_numpy(values).to(weight)
