"""Trust by neighbours and a linear head together; how good it is stands in tests/audit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.two_witnesses import TEMPERATURES, TwoWitnesses, hear
from tests.audit.test_two_witnesses import long_tailed


def bank(x: torch.Tensor, label: torch.Tensor, classes: int = 10) -> SampleBank:
    z = functional.normalize(x, dim=1)
    return SampleBank(torch.arange(len(x)), label, classes, features=x, z=z)


@pytest.mark.parametrize("soft", [True, False])
def test_rare_right_labels_are_trusted(soft: bool) -> None:
    x, label, true = long_tailed(0, 10, 0.4)
    given = bank(x, label)
    found = TwoWitnesses(soft=soft).select(given, 0)
    heard = hear(given.neighbours(250), x, label, 10)
    assert torch.equal(found.label, label)
    expected = heard.balanced if soft else 1.0 - heard.flagged.double()
    torch.testing.assert_close(found.trust, expected.float())
    assert found.posterior is not None
    torch.testing.assert_close(found.posterior.sum(1), torch.ones(len(x)))
    right = label == true
    few = (true >= 7) & right
    assert found.trust[few].mean() > 0.5 > 0.2 > found.trust[~right].mean()
    assert found.stats["temperature"] in TEMPERATURES


def test_the_penalty_is_chosen_once_and_kept() -> None:
    x, label, _ = long_tailed(1, 10, 0.2)
    first = TwoWitnesses()
    one = first.select(bank(x, label), 0)
    state: dict[str, Any] = first.state_dict()
    again = TwoWitnesses()
    again.load_state_dict(state)
    other = bank(x + 1.0, label)  # standardised, it is the same to the head
    assert again.select(other, 1).stats["l2"] == one.stats["l2"] == state["l2"]


def test_labels_of_one_class_are_trusted() -> None:
    x, label = torch.randn(12, 3), torch.full((12,), 2)
    assert TwoWitnesses().select(bank(x, label, 4), 0).trust.tolist() == [1.0] * 12
