"""Where a training computes."""

from __future__ import annotations

import torch

GPU_FROM = 1_000_000
"""Training ratings from which on a GPU is worth starting; fewer are sooner done on processors."""

GPU_FROM_SAMPLING = 50_000
"""The same for ``bayesian_mf``, which sweeps over them hundreds of times."""


def chosen_device(
    device: str | torch.device | None, n_ratings: int, model: str = ""
) -> torch.device:
    """The device that was asked for; where none was, the GPU if there is one and it is worth it.

    Raises
    ------
    ValueError
        PyTorch does not know the device, or there is none of it here.
    """
    if device is None:
        least = GPU_FROM_SAMPLING if model == "bayesian_mf" else GPU_FROM
        worth_it = n_ratings >= least and torch.cuda.is_available()
        return torch.device("cuda" if worth_it else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"PyTorch cannot compute on device={str(device)!r} here; leave it out, or give 'cpu'"
        ) from error
    return chosen
