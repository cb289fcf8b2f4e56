"""Small losses by two Beta densities."""

from __future__ import annotations

import pytest
import torch

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.bmm import Bmm

LOSSES = torch.tensor([0.10, 0.12, 0.11, 0.13, 0.90, 1.00, 0.95])


def bank(loss: torch.Tensor, label: torch.Tensor | None = None, classes: int = 1) -> SampleBank:
    label = torch.zeros(len(loss), dtype=torch.int64) if label is None else label
    return SampleBank(torch.arange(len(loss)), label, classes, loss=loss)


def test_by_hand() -> None:
    for loss in (LOSSES, 3 * LOSSES + 2):
        made = Bmm().select(bank(loss), 0)
        assert made.trust.tolist() == [1, 1, 1, 1, 0, 0, 0]
        assert made.score is not None and torch.equal(made.score, -loss)


def test_skewed_losses_with_planted_noise() -> None:
    """Neither component is a Beta density; both are told apart all the same."""
    draw = torch.Generator().manual_seed(0)
    clean = -torch.rand(700, generator=draw).log() * 0.15
    noisy = 2.5 + 0.6 * torch.randn(300, generator=draw)
    made = Bmm().select(bank(torch.cat([clean, noisy])), 0)
    right = (made.trust > 0.5) == (torch.arange(1000) < 700)
    assert right.float().mean() > 0.95


@pytest.mark.parametrize("per_class", [False, True])
def test_what_says_nothing_is_kept(per_class: bool, caplog: pytest.LogCaptureFixture) -> None:
    made = Bmm(per_class=per_class).select(bank(torch.full((6,), 0.7)), 0)
    assert made.trust.tolist() == [1] * 6
    assert "trust" in caplog.text


def test_per_class_with_classes_of_one_and_of_none() -> None:
    loss = torch.cat([LOSSES, 8 + LOSSES, torch.tensor([20.0])])
    label = torch.tensor([0] * 7 + [1] * 7 + [3])
    made = Bmm(per_class=True).select(bank(loss, label, 4), 0)
    assert made.trust.tolist() == [1, 1, 1, 1, 0, 0, 0] * 2 + [1]
    assert made.stats["classes_kept_whole"] == 1


def test_the_threshold() -> None:
    loss = torch.cat([torch.linspace(0, 1, 40), torch.linspace(0.8, 2.0, 30)])
    kept = [Bmm(threshold=t).select(bank(loss), 0).trust.sum().item() for t in (0.05, 0.5, 0.95)]
    assert kept[0] > kept[1] > kept[2] > 0
