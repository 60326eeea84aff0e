"""A trained model: its heads with vocabularies, catalogue and history, saved, loaded, published."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import torch

from hf_cf.data.catalogue import Catalogue
from hf_cf.data.history import History
from hf_cf.data.ratings import Ratings
from hf_cf.data.scale import DataSource, RatingScale
from hf_cf.data.vocab import Vocab
from hf_cf.inference.calibration import trained_vectors
from hf_cf.inference.metadata import TrainingMetadata
from hf_cf.inference.profiles import ProfileStart
from hf_cf.inference.ranking_head import RankingHead
from hf_cf.inference.scorer import Scorer
from hf_cf.models import RatingModel, UserPrior
from hf_cf.storage.fastai_learner import read_model, read_ratings
from hf_cf.storage.hub import local_folder, table_of_files, upload, writing_token
from hf_cf.storage.serialization import StoredType, parts_of, to_model_folder


class TrainedModel:
    """Both heads of a model and all that belongs to them: what `Recommender` answers from.

    Parameters
    ----------
    model : RatingModel
        Predicts stars; in evaluation mode.
    prior : UserPrior
        What is known of a user before their first rating.
    ranking : RankingHead, optional
        Orders recommendations; without it they are ordered by predicted stars.
    users, items : Vocab
        Raw ids and codes.
    catalogue : DataFrame
        One row an item, indexed by code: ``id``, ``title``, ``n_ratings`` and what else is known.
    history : History, optional
        Who rated what, for leaving out what a user has seen.
    held_out : History, optional
        Ratings of known users that the model has not learned from.
    scale : RatingScale
        The values a rating can take.
    source : DataSource
        The data that the model was trained on.
    facts : TrainingFacts
        Settings, metrics and versions.
    pictures : mapping of str to bytes
        PNGs for the model card, by file name.
    profiles : ProfileStart, optional
        Where visitors start of whom more is known than their ratings.
    """

    def __init__(
        self,
        model: RatingModel,
        prior: UserPrior,
        ranking: RankingHead | None = None,
        *,
        users: Vocab,
        items: Vocab,
        catalogue: pd.DataFrame,
        history: History | None = None,
        held_out: History | None = None,
        scale: RatingScale,
        source: DataSource | None = None,
        metadata: TrainingMetadata | None = None,
        pictures: Mapping[str, bytes] | None = None,
        profiles: ProfileStart | None = None,
    ) -> None:
        self.scorer = Scorer(model.eval().requires_grad_(False), prior, ranking, scale, profiles)
        self.users, self.items = users, items
        self.history, self.held_out = history, held_out
        self.source = source or DataSource()
        self.metadata = metadata or TrainingMetadata()
        self._pictures = dict(pictures or {})
        self._draw: Callable[[Any], dict[str, bytes]] | None = None
        self._catalogue = Catalogue(items, catalogue)
        counts = np.concatenate([[0], self._catalogue.n_ratings])
        self._log_popularity = torch.from_numpy(np.log1p(counts)).float()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.model.name} trained on {self.source.name}: "
            f"{len(self.users) - 1:,} users, {len(self.items) - 1:,} items)"
        )

    @property
    def model(self) -> RatingModel:
        """The rating model, which predicts stars."""
        return self.scorer.model

    @property
    def prior(self) -> UserPrior:
        """What is known of a user before their first rating."""
        return self.scorer.prior

    @property
    def ranking(self) -> RankingHead | None:
        """The ranking head, which orders recommendations."""
        return self.scorer.ranking

    @property
    def profiles(self) -> ProfileStart | None:
        """Where visitors start of whom more is known than their ratings."""
        return self.scorer.profiles

    @property
    def scale(self) -> RatingScale:
        """The values that a rating can take."""
        return self.scorer.scale

    @property
    def catalogue(self) -> pd.DataFrame:
        """One row an item, indexed by code: ``id``, ``title``, ``n_ratings``, and what is known."""
        return self._catalogue.table

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics of the finished model: ``valid_mse``, ``valid_rmse``, ``valid_mae``, ..."""
        return self.metadata.metrics

    @property
    def pictures(self) -> dict[str, bytes]:
        """PNGs for the model card, by file name."""
        if self._draw is not None:
            self._pictures, self._draw = self._draw(self), None
        return self._pictures

    def draw_later(self, draw: Callable[[Any], dict[str, bytes]]) -> None:
        """Take over a function that draws the pictures when they are first asked for."""
        self._draw = draw

    # What it has learned

    def item_bias(self) -> pd.DataFrame:
        """Rank items by how much they are liked beyond what taste explains.

        That is the item's bias where the model has one, before its output range is applied;
        otherwise the stars that the average user would give, less their mean over the items.

        Returns
        -------
        DataFrame
            Most liked first: ``item``, ``title``, ``bias``, ``n_ratings``.
        """
        biases = self.model.item_biases()
        if biases is None:
            stars = self.model.stars_grid(self.prior.mean[None])[0]
            biases = stars - stars[1:].mean()
        biases = biases.cpu()
        order = torch.argsort(biases[1:], descending=True, stable=True) + 1
        table = self._catalogue.describe(order.numpy()).assign(bias=biases[order].numpy())
        return table.assign(n_ratings=self._catalogue.n_ratings[order.numpy() - 1])

    def item_map(self, n: int = 3, most_rated: int = 1000) -> pd.DataFrame:
        """Place the most rated items in few dimensions, so that like items are near.

        Parameters
        ----------
        n : int
            Principal components of the items' factors.
        most_rated : int
            Items to place.

        Returns
        -------
        DataFrame
            Most rated first: ``item``, ``title``, ``n_ratings``, ``x1`` to ``xn``, the
            coordinates on the principal components, widest first.
        """
        counts = self._catalogue.n_ratings
        codes = np.argsort(-counts, kind="stable")[:most_rated] + 1
        factors = self.model.item_embeddings()[torch.from_numpy(codes)].double().cpu()
        factors = factors - factors.mean(0)
        _, _, axes = torch.linalg.svd(factors, full_matrices=False)
        # The sign of a component means nothing; the largest loading is made positive.
        largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
        places = (factors @ (axes * largest.sign())[:n].T).float().numpy()
        table = self._catalogue.describe(codes).assign(n_ratings=counts[codes - 1])
        return table.assign(**{f"x{i + 1}": places[:, i] for i in range(places.shape[1])})

    # Where it comes from and goes to

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        include_history: bool | None = None,
        include_users: bool = True,
        dtype: StoredType = "float32",
    ) -> None:
        """Write the model to a folder: safetensors, Parquet, JSON and a card, nothing pickled.

        Parameters
        ----------
        folder : str or Path
            Created where it does not exist; a model that is there is replaced.
        include_history : bool, optional
            Whether to keep who rated what, for leaving out what a user has seen, and what was held
            out. Where not given, both are kept if the data may be redistributed.
        include_users : bool
            Whether to keep the known users; without them the model serves visitors only.
        dtype : {"float32", "float16"}
            How numbers are stored; float16 halves the tables of users and items.
        """
        include_history = self._may_include_history(include_history, include_users)
        to_model_folder(
            self, include_history=include_history, include_users=include_users, dtype=dtype
        ).write(folder)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        commit_message: str | None = None,
        token: str | None = None,
        include_history: bool | None = None,
        include_users: bool = True,
        dtype: StoredType = "float32",
    ) -> str:
        """Publish the model on the Hugging Face Hub in one commit, saying first what goes up.

        Parameters
        ----------
        repo_id : str
            Such as ``"user/movies"``; created where it does not exist.
        private : bool, optional
            Whether a new repository is private; the account's default where not given.
        revision : str, optional
            The branch; created where it does not exist.
        create_pr : bool
            Whether to open a pull request instead of writing to the branch.
        commit_message : str, optional
            Title of the commit.
        token : str, optional
            With write access; the one of ``hf auth login`` where not given.
        include_history, include_users, dtype
            As in `save_pretrained`.

        Returns
        -------
        str
            Address of the model, or of the pull request.

        Raises
        ------
        HubError
            Nobody is logged in, the token may not write there, or the Hub failed. What was there
            before is whole.
        """
        token = writing_token(repo_id, token)
        include_history = self._may_include_history(include_history, include_users)
        saved = to_model_folder(
            self, repo_id=repo_id,
            include_history=include_history, include_users=include_users, dtype=dtype,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            saved.write(folder)
            print(table_of_files(Path(folder), repo_id))
            return upload(
                Path(folder), repo_id, private=private, revision=revision, create_pr=create_pr,
                message=commit_message or f"{self.model.name} trained on {self.source.name}",
                token=token,
            )  # fmt: skip

    @classmethod
    def from_pretrained(
        cls,
        folder_or_repo: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        device: str | torch.device = "cpu",
    ) -> Self:
        """Load a model from a folder or from the Hugging Face Hub; neither needs to be trusted.

        Parameters
        ----------
        folder_or_repo : str or Path
            A model's folder, or a repository such as ``"user/movies"``.
        revision : str, optional
            Branch, tag or commit of the repository.
        token : str or bool, optional
            For private repositories; the one of ``hf auth login`` where not given.
        cache_dir : str or Path, optional
            Where downloads are kept; the cache of ``huggingface_hub`` where not given.
        local_files_only : bool
            Whether to use the cache without asking the Hub.
        force_download : bool
            Whether to download what is in the cache already.
        device : str or torch.device
            Where to compute.

        Raises
        ------
        ModelFormatError
            A file is missing or broken, or does not fit the others.
        HubError
            The Hub does not have the model or does not give it, or cannot be reached.
        """
        folder = local_folder(
            folder_or_repo, revision=revision, token=token, cache_dir=cache_dir,
            local_files_only=local_files_only, force_download=force_download,
        )  # fmt: skip
        return cls(**parts_of(folder)).to(device)

    def to(self, device: str | torch.device) -> Self:
        """Move all that is computed with to a device, and return the model."""
        self.scorer = self.scorer.to(device)
        self._log_popularity = self._log_popularity.to(device)
        return self

    def attach_history(self, ratings: Ratings) -> None:
        """Tell the model who has rated what, so that it leaves out what known users have seen.

        Parameters
        ----------
        ratings : Ratings
            Of the data that the model was trained on; users and items that it does not know are
            passed over.
        """
        known = ratings.recode(self.users, self.items)
        self.history = History.from_ratings(known)
        if not len(self.history):
            raise ValueError(
                f"none of these ratings ({ratings.source.name}) is by a user of the model, for an "
                f"item of it; it was trained on {self.source.name}"
            )

    @classmethod
    def from_parts(
        cls,
        model: RatingModel,
        ratings: Ratings,
        *,
        ranking: RankingHead | None = None,
        prior: UserPrior | None = None,
        noise: float | None = None,
        metadata: TrainingMetadata | None = None,
        profiles: ProfileStart | None = None,
        held_out: Ratings | None = None,
    ) -> Self:
        """Put trained heads and the ratings that they were trained on together.

        Parameters
        ----------
        model : RatingModel
            Trained on `ratings`, so that its rows follow their vocabularies.
        ratings : Ratings
            Become the histories, and tell which users the prior is fitted to.
        ranking : RankingHead, optional
            Trained on `ratings`, too.
        prior : UserPrior, optional
            What is known of a visitor; fitted to the trained users where not given.
        noise : float, optional
            Variance of a rating around its prediction, in squared stars, for that fit.
        facts : TrainingFacts, optional
            Settings, metrics and versions.
        profiles : ProfileStart, optional
            Fitted to the trained users.
        held_out : Ratings, optional
            Ratings that it was not trained on, in the codes of `ratings`.
        """
        if prior is None:
            if noise is None:
                raise ValueError("give either a prior or the noise")
            prior = UserPrior.from_vectors(trained_vectors(model, ratings), noise)
        return cls(
            model,
            prior,
            ranking,
            users=ratings.users,
            items=ratings.items,
            catalogue=ratings.catalogue.assign(n_ratings=ratings.item_counts()[1:]),
            history=History.from_ratings(ratings),
            held_out=None if held_out is None else History.from_ratings(held_out),
            scale=ratings.scale,
            source=ratings.source,
            metadata=metadata,
            profiles=profiles,
        )

    @classmethod
    def from_learner(cls, learn: Any, ratings: Ratings | None = None) -> Self:
        """Take over a fastai ``Learner`` that ``collab_learner`` made, vocabularies included.

        Parameters
        ----------
        learn : fastai.learner.Learner
            Trained, with ``use_nn`` or without.
        ratings : Ratings, optional
            The same ratings from `load_ratings` or ``Ratings.from_frame``: they bring the
            catalogue and the licence. The learner's own ratings serve where they are not given.

        Raises
        ------
        ValueError
            The model is not one of ``collab_learner``'s, or there are no ratings.
        """
        model, coded = read_model(learn), read_ratings(learn, ratings)
        codes = np.stack([coded.user_codes, coded.item_codes], 1)
        with torch.no_grad():
            errors = model.eval()(torch.from_numpy(codes).long()) - torch.from_numpy(coded.stars)
        return cls.from_parts(model, coded, noise=float(errors.square().mean()))

    def _may_include_history(self, wanted: bool | None, include_users: bool) -> bool:
        if wanted is not None or self.history is None or not include_users:
            return bool(wanted) and include_users
        if not self.source.redistributable:
            warnings.warn(
                f"the licence of {self.source.name} does not allow passing its ratings on, so "
                "who rated what, history.parquet and held_out.parquet, is left out; "
                "include_history=True keeps it, "
                "for your own use",
                stacklevel=3,
            )
        return self.source.redistributable
