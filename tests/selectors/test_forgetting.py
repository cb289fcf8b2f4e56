"""Forgetting events by hand, the guards, and resuming."""

from __future__ import annotations

import copy

import pytest
import torch

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.forgetting import Forgetting


def bank(right: list[int] | torch.Tensor) -> SampleBank:
    """Samples of class 0, predicted as such or not."""
    told = torch.as_tensor(right).float()
    logits = torch.stack([told, 1 - told], 1)
    label = torch.zeros(len(told), dtype=torch.int64)
    return SampleBank(torch.arange(len(told)), label, 2, logits=logits)


HISTORY = [  # never learned, always right, forgotten twice, learned late, forgotten once
    [0, 1, 1, 0, 1, 1],
    [0, 1, 0, 0, 1, 1],
    [0, 1, 1, 1, 0, 1],
    [0, 1, 0, 1, 0, 1],
]


def test_by_hand() -> None:
    rule = Forgetting()
    for epoch, right in enumerate(HISTORY):
        made = rule.select(bank(right), epoch)
    assert (-made.ranking).tolist() == [4, 0, 2, 0, 1, 0]
    assert made.stats["forgotten"] == 3 and made.stats["never_learned"] == 1
    assert made.trust.tolist() == [0, 1, 0, 1, 1, 1]


def test_at_first_what_is_predicted_is_believed() -> None:
    made = Forgetting().select(bank(HISTORY[0]), 0)
    assert made.trust.tolist() == HISTORY[0]


@pytest.mark.parametrize("right", [0, 1])
def test_numbers_that_are_all_the_same_keep_all(
    right: int, caplog: pytest.LogCaptureFixture
) -> None:
    made = Forgetting().select(bank([right] * 5), 0)
    assert made.trust.tolist() == [1] * 5 and "trusting every sample" in caplog.text


def test_a_history_is_of_the_same_samples() -> None:
    rule = Forgetting()
    rule.select(bank([1, 0, 1]), 0)
    with pytest.raises(ValueError, match="same 3 samples"):
        rule.select(bank([1, 0]), 1)


@pytest.mark.parametrize("done", [0, 1, 3])
def test_it_resumes_to_the_same_selection(done: int) -> None:
    every = torch.rand(done + 3, 20, generator=torch.Generator().manual_seed(0)) < 0.7
    rule, resumed = Forgetting(), Forgetting()
    for right in every[:done]:
        rule.select(bank(right), 0)
    resumed.load_state_dict(copy.deepcopy(rule.state_dict()))
    for right in every[done:]:
        first, second = rule.select(bank(right), 0), resumed.select(bank(right), 0)
        assert torch.equal(first.trust, second.trust)
        assert torch.equal(first.ranking, second.ranking)
        assert first.stats == second.stats
