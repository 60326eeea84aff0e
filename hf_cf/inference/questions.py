"""Which items to ask somebody about, so that a few answers tell most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hf_cf.models.base import RatingModel
from hf_cf.models.ranking import ImplicitALS
from hf_cf.models.user_prior import UserPrior

MOST_CANDIDATES = 2000
"""How many of the most rated items are asked about, and count in what an answer tells."""

# Logit of the chance that somebody has rated an item: fitted on held-out users of MovieLens 100K
# and ml-latest-small with 3, 10 and 20 ratings given, where the three numbers hardly differ.
_CHANCE, _BY_POPULARITY, _BY_SCORE = -2.5, 0.55, 7.0


@dataclass
class Uncertainty:
    """What is not known of a user, in coordinates in which it is N(0, I).

    Attributes
    ----------
    gradients : Tensor, shape (m, d)
        How predictions for the candidates change with the coordinates, in deviations of a rating's
        noise.
    weights : Tensor, shape (m,)
        How much the candidates matter; they sum to 1.
    """

    gradients: Tensor
    weights: Tensor

    def mean_variance(self) -> Tensor:
        """Mean variance of the predictions, in units of a rating's noise."""
        return self.weights @ self.gradients.square().sum(1)

    def reductions(self) -> Tensor:
        """How far the answer about each candidate lowers the mean variance of all, shape (m,).

        With q the gradients of the one that is answered, the variance of another with gradients p
        falls from ``p'p`` by ``(p'q)**2 / (1 + q'q)``, whatever the answer is.
        """
        spread = self.gradients.T @ (self.weights[:, None] * self.gradients)
        gained = ((self.gradients @ spread) * self.gradients).sum(1)
        return gained / (1 + self.gradients.square().sum(1))

    def answer(self, candidate: Tensor, chance: Tensor) -> None:
        """Take an answer about a candidate into account, weighed by the chance that it comes."""
        q = self.gradients[candidate]
        length = q.square().sum().clamp_min(1e-12)
        # The root of (I + chance q q')^-1.
        shrunk = (1 - (1 + chance * length).rsqrt()) / length
        self.gradients = self.gradients - shrunk * torch.outer(self.gradients @ q, q)


def chances(popularity: Tensor, scores: Tensor | None) -> Tensor:
    """Chance that somebody knows each item well enough to rate it, shape (m,).

    Parameters
    ----------
    popularity : Tensor, shape (m,)
        Ratings of each item, as parts of twice those of the most rated one: that is taken to be
        known to half of all people.
    scores : Tensor, shape (m,), optional
        The ranking head's for this person: who likes what also says who has seen what.
    """
    if scores is None:
        return popularity
    by_score = _BY_SCORE * scores.clamp_min(0).sqrt()
    return torch.sigmoid(_CHANCE + _BY_POPULARITY * popularity.logit(1e-6) + by_score)


def choose_questions(
    uncertainties: Sequence[Uncertainty], chance: Tensor, n: int
) -> tuple[Tensor, Tensor]:
    """The n candidates to ask about, one after another.

    Each is the one whose answer is expected to move the predictions furthest, times the chance
    that it comes, given the questions before it: they have told what they can, so that the next
    is about something else. What an answer removes of the variance is the mean square by which it
    moves the predictions. By its root rather than by itself the likely answers come first, which
    lists are the better for, and stars hardly worse.

    Parameters
    ----------
    uncertainties : sequence of Uncertainty
        Of m candidates' stars and of their scores, or of stars alone; used up.
    chance : Tensor, shape (m,)
        That an answer comes.
    n : int
        At most m are returned.

    Returns
    -------
    chosen : Tensor of int64, shape (n,)
        Rows of candidates, best first.
    gains : Tensor, shape (n,)
        How far each answer is expected to move the predictions, root mean square, as a part of
        their standard deviation before any answer; the geometric mean of stars and scores.
    """
    before = [one.mean_variance() for one in uncertainties]
    asked = torch.zeros(len(chance), dtype=torch.bool, device=chance.device)
    chosen, gains = [], []
    for _ in range(min(n, len(chance))):
        parts = [one.reductions() / all_ for one, all_ in zip(uncertainties, before, strict=True)]
        gain = torch.stack(parts).sqrt().prod(0) ** (1 / len(parts))
        best = torch.where(asked, -torch.inf, chance * gain).argmax()
        chosen.append(best)
        gains.append(gain[best])
        asked[best] = True
        for one in uncertainties:
            one.answer(best, chance[best])
    return torch.stack(chosen), torch.stack(gains)


def next_questions(
    model: RatingModel,
    prior: UserPrior,
    vector: Tensor,
    rated: Tensor,
    stars: Tensor,
    n_ratings: Tensor,
    hidden: Tensor,
    ranking: tuple[ImplicitALS, Tensor] | None,
    n: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """The n items to ask somebody about next.

    Parameters
    ----------
    model : RatingModel
        In evaluation mode.
    prior : UserPrior
        The Gaussian that the vector was inferred with.
    vector : Tensor, shape (d,)
        The user's vector, from `fold_in`.
    rated : Tensor of int64, shape (r,)
        Codes of items that the user has rated.
    stars : Tensor, shape (r,)
        Those ratings.
    n_ratings : Tensor, shape (n_items,)
        Ratings of each item in the training data, by code.
    hidden : Tensor of bool, shape (n_items,)
        Items that are not asked about, ``#na#`` and rated ones among them.
    ranking : (ImplicitALS, Tensor), optional
        The model of the ranking head, and the user's vector in it, shape (k,).
    n : int
        Fewer are returned where fewer may be asked about.

    Returns
    -------
    items, chances, gains : Tensors, shape (n,)
        Codes, best first; the chance that an answer comes; and how far it is expected to move the
        predictions (see `choose_questions`).
    """
    open_ = (~hidden).nonzero()[:, 0]
    most = n_ratings[open_].topk(min(MOST_CANDIDATES, len(open_))).indices
    candidates = open_[most]
    if not len(candidates):
        return candidates, n_ratings.new_zeros(0), n_ratings.new_zeros(0)
    popularity = n_ratings[candidates] / (2 * n_ratings.max().clamp_min(1))
    weights = popularity / popularity.sum().clamp_min(1e-12)
    gradients = []
    if model.predicts_stars:
        gradients.append(model.posterior_gradients(prior, vector, rated, candidates))
    scores = None
    if ranking is not None:
        head, own = ranking
        scores = head.scores(own[None], candidates)[0]
        gradients.append(head.posterior_gradients(rated, stars, candidates))
    chance = chances(popularity, scores)
    chosen, gains = choose_questions([Uncertainty(one, weights) for one in gradients], chance, n)
    return candidates[chosen], chance[chosen], gains
