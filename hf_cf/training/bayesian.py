"""Gibbs sampling for Bayesian matrix factorization with features."""

from __future__ import annotations

import time
import warnings

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from hf_cf.data.ratings import Ratings
from hf_cf.models import BayesianFactorization
from hf_cf.models.threads import on_usable_threads
from hf_cf.storage.tensors import under
from hf_cf.training.checkpoint import Checkpoint, State
from hf_cf.training.gibbs import Chain, dots, widened
from hf_cf.training.settings import TrainingSettings

_ENTRIES = 1_000_000  # ratings that are predicted at once

WATCHED = 1000
"""Ratings whose predictions tell whether the samples have converged."""

MOST_R_HAT = 1.2
"""Bound of their split R-hat, nineteen in twenty of which should lie below it."""


@on_usable_threads()
def train_bayesian(
    settings: TrainingSettings,
    train: Ratings,
    valid: Ratings | None,
    *,
    progress: bool = True,
    resume: BayesianFactorization | None = None,
    checkpoint: Checkpoint | None = None,
    device: torch.device | str = "cpu",
) -> tuple[BayesianFactorization, list[dict[str, float]]]:
    """Draw factors, biases, links and noise from their posterior, one given the others.

    The model of Salakhutdinov and Mnih (2008), with biases: Gaussian ratings, Gaussian factors
    around a mean. As in Macau (Simm et al. 2017) the mean is linear in features: those of the
    catalogue and of users, and who rated what. The ratings of every user have a noise of their
    own, with an inverse variance Gamma distributed around that of all.

    Of a kept sweep the items, the priors, and the users' conditional means become a sample of the
    model.

    Parameters
    ----------
    settings : TrainingSettings
        ``epochs`` sweeps after ``burn_in``, of which every ``thin``-th is kept.
    train : Ratings
        With the catalogue and user features where known.
    valid : Ratings, optional
        Their running error is shown.
    progress : bool
        Whether to show a bar.
    resume : BayesianFactorization, optional
        Trained on the same ratings with the same settings: its samples are kept, and ``epochs``
        more sweeps are made from where it ended.
    checkpoint : Checkpoint, optional
        Takes the samples so far after each one that is kept.

    Returns
    -------
    model : BayesianFactorization
        In evaluation mode, on the device.
    epochs : list of dict
        One record a kept sweep: ``epoch`` (the sweep), ``seconds``, and of the mean over the
        samples so far ``valid_mse``, ``valid_mae``, ``valid_loss`` with validation ratings.
    """
    chain = Chain(settings, train, device)
    first = settings.burn_in if resume is None else int(resume.sweeps)
    last = first + settings.epochs
    most = most_samples(settings, chain.empty_model(1))
    n_old = 0 if resume is None else min(resume.n_samples, max(0, most - 1))
    thin = max(settings.thin, -(-settings.epochs // (most - n_old)))
    n_new = max(1, settings.epochs // thin)
    chain.thin = thin
    model = chain.empty_model(n_old + n_new)
    running = None if valid is None else _RunningErrors(valid, chain.mean, device)
    records: list[dict[str, float]] = []
    start = 0
    state = None if checkpoint is None else checkpoint.load()
    if state is not None:
        records = state.metadata["epochs"]
        _restore(state.tensors, model, chain, running, len(records))
        start = int(model.sweeps)
    elif resume is not None:
        _copy_samples(resume, model, n_old)
        chain.go_back_to(resume, resume.n_samples)
        start = first
        if running is not None:
            running.count(resume)
    started = time.perf_counter()
    bar = tqdm(
        range(start, last), desc="bayesian_mf", initial=start, total=last, disable=not progress
    )
    for sweep in bar:
        user_means = chain.sweep(sweep)
        left = last - 1 - sweep
        if left % thin or left >= n_new * thin:
            continue
        chain.keep(model, n_old + n_new - 1 - left // thin, user_means)
        model.sweeps.fill_(sweep + 1)
        record = {"epoch": sweep + 1.0, "seconds": time.perf_counter() - started}
        if running is not None:
            record |= running.after(user_means, chain.items.factors)
            bar.set_postfix(valid_rmse=f"{record['valid_mse'] ** 0.5:.4f}")
        records.append(record)
        if checkpoint is not None:
            checkpoint.save(State(_state_tensors(model, chain, running), {"epochs": records}))
        started = time.perf_counter()
    model.sweeps.fill_(last)
    return model, records


def most_samples(settings: TrainingSettings, single: BayesianFactorization) -> int:
    """How many samples fit in ``max_mb``, for a model with one: at least 1."""
    sizes = {name: t.numel() * t.element_size() for name, t in single.state_dict().items()}
    of_sessions = sum(size for name, size in sizes.items() if name.startswith("sittings."))
    room = settings.max_mb * 1e6 - of_sessions
    return max(1, int(room / (sum(sizes.values()) - of_sessions)))


class _RunningErrors:
    """Errors of the mean prediction over the samples so far."""

    def __init__(self, valid: Ratings, mean: float, device: torch.device | str) -> None:
        self.users = torch.from_numpy(valid.user_codes).to(device)
        self.items = torch.from_numpy(valid.item_codes).to(device)
        self.stars = torch.from_numpy(valid.stars).to(device)
        self.total, self.n_samples, self.mean = torch.zeros(len(valid), device=device), 0, mean

    def count(self, model: BayesianFactorization) -> None:
        """Begin with all samples of a model."""
        self.n_samples = model.n_samples
        for start in range(0, len(self.total), _ENTRIES // model.n_samples + 1):
            rows = slice(start, start + _ENTRIES // model.n_samples + 1)
            pairs = torch.stack([self.users[rows], self.items[rows]], 1).long()
            self.total[rows] = model(pairs.to(model.device)).to(self.total.device) * self.n_samples

    def after(self, users: Tensor, items: Tensor) -> dict[str, float]:
        """Errors after another sample, of which the factors are given."""
        users, items = widened(users, first=True), widened(items, first=False)
        self.n_samples += 1
        self.total += dots(users, items, self.users, self.items) + self.mean
        left = (self.total / self.n_samples - self.stars).double()
        mse = float(left.square().mean())
        return {"valid_loss": mse, "valid_mse": mse, "valid_mae": float(left.abs().mean())}


def watched_r_hat(model: BayesianFactorization, ratings: Ratings, *, seed: int = 0) -> float:
    """`r_hat` of predictions for ratings, with a warning where it says that samples are too few."""
    found = r_hat(model, ratings, seed=seed)
    if found > MOST_R_HAT:
        warnings.warn(
            f"the sampling has not converged: R-hat of the predictions is {found:.2f}, and should "
            f"be below {MOST_R_HAT:g}. Go on with fit(..., resume=rec), or set epochs higher",
            stacklevel=3,
        )
    return found


def r_hat(model: BayesianFactorization, ratings: Ratings, *, seed: int = 0) -> float:
    """Split R-hat (Gelman et al. 2013, section 11.4) of predictions, its 95% quantile.

    The samples are cut into a first and a second half. Where both are samples from one distribution
    the ratio of the spread of all to that within the halves is near 1.
    """
    known = np.flatnonzero((ratings.user_codes > 0) & (ratings.item_codes > 0))
    rows = np.random.default_rng(seed).permutation(known)[:WATCHED]
    users, items = (
        torch.from_numpy(codes[rows]).to(model.device).long()
        for codes in (ratings.user_codes, ratings.item_codes)
    )
    stars = model.stars_of_samples(model.user_vectors(users), items)
    half = stars.shape[1] // 2
    if half < 2 or not len(rows):
        return 99.0  # fewer than two samples a half have no variance
    halves = torch.stack([stars[:, :half], stars[:, -half:]]).double()
    within = halves.var(2).mean(0)
    total = (half - 1) / half * within + halves.mean(2).var(0)
    return float((total / within).sqrt().quantile(0.95))


def _state_tensors(
    model: BayesianFactorization, chain: Chain, running: _RunningErrors | None
) -> dict[str, Tensor]:
    """What a checkpoint keeps: the model with the samples so far, and means over these."""
    kept = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    if running is not None:
        kept["valid_total"] = running.total
    if chain.sessions is not None:
        kept |= {f"sittings.{name}": t for name, t in chain.sessions.running_means().items()}
    return kept


def _restore(
    kept: dict[str, Tensor],
    model: BayesianFactorization,
    chain: Chain,
    running: _RunningErrors | None,
    n_samples: int,
) -> None:
    """Put what `_state_tensors` gave after so many samples where it was."""
    model.load_state_dict(under("model.", kept))
    chain.go_back_to(model, n_samples)
    if running is not None:
        running.total, running.n_samples = kept["valid_total"].to(running.total.device), n_samples
    if chain.sessions is not None:
        chain.sessions.go_on_with(under("sittings.", kept))


def _copy_samples(old: BayesianFactorization, new: BayesianFactorization, last: int) -> None:
    """Copy the last samples of a model into the first ones of another."""
    new.user_noise.weight.data.copy_(old.user_noise.weight)
    old_tables = [*old.tables()[0][:2], *old.tables()[1]]
    new_tables = [*new.tables()[0][:2], *new.tables()[1]]
    pairs = [(a.weight, b.weight.data, 1) for a, b in zip(old_tables, new_tables, strict=True)]
    pairs += [
        (getattr(old, name), getattr(new, name), axis)
        for name, axis in (
            ("user_mean", 0), ("item_mean", 0), ("user_precision", 0), ("item_precision", 0),
            ("user_link", 1), ("item_link", 1), ("link_precision", 1), ("rating_precision", 0),
        )
    ]  # fmt: skip
    for source, target, axis in pairs:
        width = source.shape[axis] // old.n_samples * last
        target.narrow(axis, 0, width).copy_(source.narrow(axis, source.shape[axis] - width, width))
