"""Drawing the effects of users' sessions, as a part of the Gibbs sampler."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hf_cf.models.sessions import Sessions, checked_times, session_keys

WINDOWS = (86_400, 600, 60)
"""Lengths of a session in seconds: a day, ten minutes, a minute."""

_SHAPE, _RATE = 1.0, 0.1  # of the Gamma prior of a length's precision, in 1 / squared stars
_START = 0.3  # standard deviation of the effects that sampling starts from


class SessionSampler:
    """Effects ``e ~ N(0, 1 / precision)`` of sessions, with one precision a length.

    Parameters
    ----------
    users : int array, shape (n,)
        Who gave each rating: the order of the ratings is that of all arrays here.
    times : int64 array, shape (n,)
        When, in seconds since 1970.
    rng : Generator
        Draws the effects that sampling starts from.

    Attributes
    ----------
    total : float32 array, shape (n,)
        What the sessions of each rating add to it, in the last sample.
    """

    def __init__(
        self, users: npt.NDArray[Any], times: npt.NDArray[np.int64], rng: np.random.Generator
    ) -> None:
        self.keys, self.groups, self.owners, self.samples = [], [], [], []
        codes, seconds = torch.from_numpy(users), torch.from_numpy(checked_times(times))
        for window in WINDOWS:
            keys, groups = session_keys(codes, seconds, window).unique(return_inverse=True)
            self.keys.append(keys)
            self.groups.append(groups.numpy())
            self.owners.append((keys >> 32).numpy())
            self.samples.append(rng.standard_normal(len(keys), np.float32) * np.float32(_START))
        self.means = [np.zeros(len(sample)) for sample in self.samples]
        self.variances = np.zeros(len(WINDOWS))  # mean over the samples, as the means
        self.n_kept = 0
        self.total = self._sum()

    def sample(
        self, left: npt.NDArray[np.float32], precisions: npt.NDArray[Any], rng: np.random.Generator
    ) -> None:
        """Draw the effects of one length after another, given the others and all else.

        Parameters
        ----------
        left : float32 array, shape (n,)
            Residual of every rating, effects of sessions subtracted.
        precisions : array, shape (n_users,)
            Inverse variance of each user's ratings.
        rng : Generator
            Draws.
        """
        self.conditional_means, self.priors = [], []
        left = left + self.total
        for level, (groups, owners) in enumerate(zip(self.groups, self.owners, strict=True)):
            old = self.samples[level]
            spread = float((old.astype(np.float64) ** 2).sum())
            prior = rng.standard_gamma(_SHAPE + len(old) / 2) / (_RATE + spread / 2)
            others = self.total - old[groups]
            sums = np.bincount(groups, left - others, minlength=len(old))
            counts = np.bincount(groups, minlength=len(old))
            posterior = precisions[owners] * counts + prior
            mean = precisions[owners] * sums / posterior
            noise = rng.standard_normal(len(old)) / np.sqrt(posterior)
            self.samples[level] = (mean + noise).astype(np.float32)
            self.total = others + self.samples[level][groups]
            self.conditional_means.append(mean)
            self.priors.append(prior)
        self.total = self._sum()  # without the rounding of many additions

    def average(self) -> None:
        """Count the last sample into the posterior means, by its conditional means."""
        self.n_kept += 1
        for level, new in enumerate(self.conditional_means):
            self.means[level] += (new - self.means[level]) / self.n_kept
        self.variances += (1 / np.array(self.priors) - self.variances) / self.n_kept

    def copy_to(self, sessions: Sessions) -> None:
        """Put the means and the last sample into a model."""
        sessions.variances.copy_(torch.from_numpy(self.variances))
        for level, keys in enumerate(self.keys):
            to_keys, effects = sessions.level(level)
            to_keys.copy_(keys)
            effects[:, 0] = torch.from_numpy(self.means[level])
            effects[:, 1] = torch.from_numpy(self.samples[level])

    def go_back_to(self, sessions: Sessions, n_kept: int) -> None:
        """Take up the last sample of a model, and its means over so many samples."""
        for level in range(len(self.keys)):
            mean, last = sessions.level(level)[1].T.numpy(force=True)
            self.means[level], self.samples[level] = mean.astype(np.float64), last.copy()
        self.variances = sessions.variances.double().numpy(force=True).copy()
        self.n_kept, self.total = n_kept, self._sum()

    def running_means(self) -> dict[str, torch.Tensor]:
        """The means so far, in more digits than a model keeps."""
        means = {f"mean{level}": torch.from_numpy(mean) for level, mean in enumerate(self.means)}
        return means | {"variances": torch.from_numpy(self.variances)}

    def go_on_with(self, kept: dict[str, torch.Tensor]) -> None:
        """Take the means that `running_means` gave."""
        self.means = [kept[f"mean{level}"].numpy(force=True) for level in range(len(self.keys))]
        self.variances = kept["variances"].numpy(force=True)

    def counts(self) -> list[int]:
        """How many sessions there are of each length."""
        return [len(keys) for keys in self.keys]

    def _sum(self) -> npt.NDArray[np.float32]:
        pairs = zip(self.samples, self.groups, strict=True)
        return np.sum([sample[groups] for sample, groups in pairs], 0, dtype=np.float32)
