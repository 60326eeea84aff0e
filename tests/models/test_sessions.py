"""Effects of sessions: which window a time falls into, and what counts as a time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_models import BAYESIAN, N_ITEMS, N_USERS, small_model

from hf_cf.models import BayesianFactorization
from hf_cf.models.sessions import Sessions, checked_times, session_keys


@pytest.fixture
def sessions() -> Sessions:
    """User 2 on day 1 and in minutes 1445 and 1447, user 5 on day 1."""
    found = Sessions([86_400, 60], [2, 2])
    users, times = torch.tensor([2, 5]), torch.tensor([86_400, 86_400])
    found.keys_0.copy_(session_keys(users, times, 86_400))
    found.keys_1.copy_(session_keys(torch.tensor([2, 2]), torch.tensor([86_700, 86_820]), 60))
    found.effects_0[:, 0] = torch.tensor([0.5, -0.25])
    found.effects_1[:, 0] = torch.tensor([0.125, 1.0])
    return found


def test_effects_of_the_windows_that_a_time_falls_into_add_up(sessions: Sessions) -> None:
    times = {
        86_399: 0.0,  # the last second of the day before
        86_400: 0.5,  # the first of the day
        86_699: 0.5,
        86_700: 0.625,  # the first of minute 1445
        86_759: 0.625,
        86_760: 0.5,  # minute 1446 has no rating
        86_820: 1.5,
        172_799: 0.5,
        172_800: 0.0,
    }
    seconds = torch.tensor(list(times))
    found = sessions(torch.full_like(seconds, 2), seconds)
    assert found.tolist() == list(times.values())
    assert sessions(torch.tensor([5, 4, 6]), torch.tensor([86_700] * 3)).tolist() == [-0.25, 0, 0]


def test_keys_are_the_same_numbers_whatever_the_type_of_the_codes() -> None:
    times = torch.tensor([2**36 - 1])
    key = session_keys(torch.tensor([2**31 - 1], dtype=torch.int32), times, 16)
    assert key.tolist() == [(2**31 - 1) * 2**32 + (2**36 - 1) // 16]


def test_one_time_counts_for_all_and_fractions_of_a_second_are_cut() -> None:
    assert checked_times(7.9, 3).tolist() == [7, 7, 7]
    assert checked_times([7, 8], 2).dtype == np.int64


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ([1.0, float("nan")], "nan is not a time"),
        ([1, -5], "-5 is not a time"),
        ([1, 893_286_638_000], "893286638000 is not a time; give seconds"),
        ([float("inf"), 0], "inf is not a time"),
        ([1, 2, 3], "3 times for 2 ratings"),
        (["1998-04-22", "1998-04-23"], "give numbers, seconds since 1970"),
    ],
)
def test_what_is_no_time_is_said(when: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_times(when, 2)


def test_windows_and_counts_must_fit() -> None:
    with pytest.raises(ValueError, match="2 windows and 1 counts"):
        BayesianFactorization(5, 5, windows=[86_400, 60], n_sittings=[3])


def test_a_model_without_times_has_the_same_users_and_items() -> None:
    dated = BayesianFactorization(
        N_USERS, N_ITEMS, **BAYESIAN, windows=[86_400], n_sittings=[4]
    ).eval()  # fmt: skip
    plain = dated.without_times()
    expected = small_model("bayesian")
    assert plain.settings == expected.settings
    assert plain.state_dict().keys() == expected.state_dict().keys()
    pairs = torch.tensor([[1, 2], [3, 4]])
    assert torch.equal(plain(pairs), dated(pairs))
    with pytest.raises(ValueError, match="dates=True"):
        plain.stars_of_time(pairs[:, 0], pairs[:, 1])
