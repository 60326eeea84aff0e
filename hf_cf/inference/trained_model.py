"""A trained model: every part that training makes, in one place, without input or output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from hf_cf.data.catalogue import Catalogue
from hf_cf.data.features import TEXT
from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import DataSource
from hf_cf.data.text_embedding import TextEmbedding
from hf_cf.data.vocab import Vocab
from hf_cf.inference.metadata import TrainingMetadata
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.inference.rating_head import RatingHead
from hf_cf.inference.scorer import Scorer
from hf_cf.inference.similarity import ItemSimilarity
from hf_cf.models import RatingModel, UserPrior

_GRID_CELLS = 4_000_000  # scores that a core holds at once: 16 MB
_GRID_USERS = 192  # more rows make a product no faster per row
_TYPICAL_ITEMS = 256
_GPU_GRID_CELLS = 2**28  # 1 GiB


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """Both heads with the vocabularies, the catalogue and the ratings that give them meaning.

    Attributes
    ----------
    scorer : Scorer
        Both heads.
    users : Vocab
        The known users.
    catalogue : Catalogue
        The items: their vocabulary, and what is known of them.
    history : History, optional
        Who rated what, by user code.
    held_out : History, optional
        What was rated, too, and held out of the training.
    source : DataSource
        Where the ratings come from.
    metadata : TrainingMetadata
        Settings, metrics, versions.
    pictures : mapping of str to bytes
        PNGs of the model card by file name; empty until a card was written.
    text : TextEmbedding, optional
        How text became features of the items, for those that come later.
    """

    scorer: Scorer
    users: Vocab
    catalogue: Catalogue
    history: History | None = None
    held_out: History | None = None
    source: DataSource = field(default_factory=DataSource)
    metadata: TrainingMetadata = field(default_factory=TrainingMetadata)
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    text: TextEmbedding | None = None

    @classmethod
    def of_training(
        cls,
        scorer: Scorer,
        train: Ratings,
        *,
        held_out: Ratings | None = None,
        metadata: TrainingMetadata | None = None,
        text: TextEmbedding | None = None,
    ) -> TrainedModel:
        """Put trained heads and the ratings that they were trained on together.

        Vectors of text in the catalogue have done their part, and do not stay in it.
        """
        table = train.catalogue if text is None else train.catalogue.drop(columns=TEXT)
        table = table.assign(n_ratings=train.item_counts()[1:])
        return cls(
            scorer,
            train.users,
            Catalogue(train.items, table),
            History.from_ratings(train),
            None if held_out is None else History.from_ratings(held_out),
            train.source,
            metadata or TrainingMetadata(),
            text=text,
        )

    @classmethod
    def from_modules(
        cls,
        model: RatingModel,
        train: Ratings,
        *,
        noise: float,
        ranking: RankingHead | None = None,
    ) -> TrainedModel:
        """Put modules and their ratings together, with a prior fitted to the trained users.

        Parameters
        ----------
        model : RatingModel
            Trained on `train`, so that its rows follow their vocabularies.
        train : Ratings
        noise : float
            Variance of a rating around its prediction, in squared stars.
        ranking : RankingHead, optional
            Trained on `train`, too.
        """
        model = model.eval().requires_grad_(False)
        prior = (
            model.own_prior()
            if model.has_own_prior
            else UserPrior.from_vectors(trained_vectors(model, train), noise)
        )
        return cls.of_training(Scorer(RatingHead(model, prior), ranking, train.scale), train)

    @property
    def items(self) -> Vocab:
        """Raw ids of the items and their codes."""
        return self.catalogue.items

    @cached_property
    def log_popularity(self) -> Tensor:
        """``log(1 + number of ratings)`` of each item, by code, on the device."""
        counts = np.concatenate([[0], self.catalogue.n_ratings])
        return torch.from_numpy(np.log1p(counts)).float().to(self.scorer.device)

    @cached_property
    def share_of_better_known(self) -> Tensor:
        """Share of all ratings that fell on better known items, by code, from 0 to 1."""
        counts = np.concatenate([[0], self.catalogue.n_ratings])
        order = np.argsort(-counts, kind="stable")
        share = np.empty(len(counts), np.float32)
        share[order] = (counts[order].cumsum() - counts[order]) / max(1, counts.sum())
        return torch.from_numpy(share).to(self.scorer.device)

    @cached_property
    def typical_items(self) -> Tensor:
        """Codes of items that people rate, as often as they rate them, shape (at most 256,)."""
        counts = np.concatenate([[0], self.catalogue.n_ratings])
        counts[1:] += not counts.any()
        steps = (np.arange(_TYPICAL_ITEMS) + 0.5) / _TYPICAL_ITEMS * counts.sum()
        order = np.argsort(-counts, kind="stable")
        typical = order[np.searchsorted(counts[order].cumsum(), steps, side="right")]
        return torch.from_numpy(typical).to(self.scorer.device)

    @cached_property
    def similarity(self) -> ItemSimilarity:
        """Which items are alike."""
        return ItemSimilarity.of(self.scorer.item_factors(), self.catalogue)

    @property
    def users_at_once(self) -> int:
        """How many users are scored together: as many as keep the scores in a core's cache."""
        if self.scorer.device.type != "cpu":
            return max(1, _GPU_GRID_CELLS // len(self.items))
        users = min(_GRID_USERS, max(1, _GRID_CELLS // len(self.items)))
        return users if users < 32 else users // 32 * 32  # whole tiles of a matrix product

    def to(self, device: str | torch.device) -> TrainedModel:
        """Return the same model on a device; the modules themselves move."""
        return replace(self, scorer=self.scorer.to(device))

    def with_index(self, *, seed: int = 0, progress: bool = True) -> TrainedModel:
        """Return the same model with an index of its items; ValueError without a ranking head."""
        if self.scorer.ranking is None:
            raise ValueError("this model has no ranking head, whose items an index is made of")
        ranking = self.scorer.ranking.with_index(seed=seed, progress=progress)
        return replace(self, scorer=replace(self.scorer, ranking=ranking))

    def with_history(self, ratings: Ratings) -> TrainedModel:
        """Return the same model with the ratings of its users and items among `ratings`."""
        history = History.from_ratings(ratings.recode(self.users, self.items))
        if not len(history):
            raise ValueError(
                f"none of these ratings ({ratings.source.name}) is by a user of the model, for an "
                f"item of it; it was trained on {self.source.name}"
            )
        return replace(self, history=history)


def trained_vectors(model: RatingModel, train: Ratings) -> Tensor:
    """Vectors of the users that have a rating in `train`, shape (n, d)."""
    trained = np.flatnonzero(train.user_counts()[1:]) + 1
    with torch.no_grad():
        return model.user_vectors(torch.from_numpy(trained).to(model.device))
