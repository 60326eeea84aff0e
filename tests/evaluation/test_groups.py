"""Groups of users and items by their training ratings."""

from __future__ import annotations

import numpy as np
import pytest

from hf_cf.evaluation.groups import group_by_count


def test_groups_begin_at_their_edges() -> None:
    groups, names = group_by_count(np.array([0, 1, 19, 20, 500]), (1, 20, 50))
    assert names == ["0", "1 to 19", "20 to 49", "50 and more"]
    assert groups.tolist() == [0, 1, 1, 2, 3]
    with pytest.raises(ValueError, match="ascend"):
        group_by_count(np.array([1]), (20, 5))
