"""Forgetting events by hand, the guards, and resuming."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.forgetting import Forgetting
from tests.selectors.scenes import SCENES, refreshes, scene


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


# mtoneva/example_forgetting d51c1aa, order_examples_by_forgetting.py: events of each sample in five
# refreshes; 5 for one that was never learned.
EVENTS = {
    "balanced 0": "111511211101111511515100011111111101011101101151511115151151",
    "balanced 1": "015101101511111151151511011151011011251510151110511111511111",
    "balanced 2": "551510555102111100151001011150111111111111100115550101111111",
    "long tail": "55111105101111011115115011005111001151111001011110",
    "class of one": "1105111100500111111111010111111111510115110",
    "one class": "00010001111000111010",
}


@pytest.mark.parametrize("name", SCENES)
def test_the_authors_events(name: str) -> None:
    known, rule = scene(name), Forgetting()
    for logits in refreshes(known):
        made = rule.select(replace(known, logits=logits), 0)
    assert "".join(str(int(-events)) for events in made.ranking) == EVENTS[name]
