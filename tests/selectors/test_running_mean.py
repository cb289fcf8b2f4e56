"""Means over refreshes, plain and exponential."""

from __future__ import annotations

import copy

import pytest
import torch

from supcon_ext.selectors.running_mean import RunningMean

VALUES = torch.tensor([[1.0, 2.0], [3.0, 6.0], [8.0, 1.0]])


def test_the_plain_mean() -> None:
    mean = RunningMean()
    found = [mean.add(row) for row in VALUES]
    torch.testing.assert_close(torch.stack(found), VALUES.cumsum(0) / torch.tensor([[1], [2], [3]]))


def test_the_exponential_mean_starts_from_zero_and_is_brought_to_weight_one() -> None:
    mean, target = RunningMean(0.7), torch.zeros(2)
    for step, row in enumerate(VALUES, 1):
        target = 0.7 * target + 0.3 * row
        torch.testing.assert_close(mean.add(row), target / (1 - 0.7**step))


def test_the_newest_alone() -> None:
    mean = RunningMean(0.0)
    assert all(torch.equal(mean.add(row), row) for row in VALUES)


@pytest.mark.parametrize("done", [0, 1, 2])
def test_state_round_trip(done: int) -> None:
    mean, resumed = RunningMean(0.9), RunningMean(0.9)
    for row in VALUES[:done]:
        mean.add(row)
    state = mean.state_dict()
    kept = copy.deepcopy(state)
    resumed.load_state_dict(state)
    for row in VALUES[done:]:
        assert torch.equal(mean.add(row), resumed.add(row))
    assert state["weight"] == kept["weight"]  # a saved state is not written to
    assert done == 0 or torch.equal(state["total"], kept["total"])


def test_other_samples_are_refused() -> None:
    mean = RunningMean()
    mean.add(VALUES)
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        mean.add(VALUES[:2])
