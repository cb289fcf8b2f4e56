"""SupCon's and SimCLR's positives beside the authors' program."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from supcon_ext.losses import SupConLoss
from supcon_ext.selectors.base import PositiveSelector
from supcon_ext.selectors.instance import Instance
from supcon_ext.selectors.label import Label


@pytest.mark.parametrize(
    ("selector", "value"), [(Label(), 6.273502826690674), (Instance(), 6.279384613037109)]
)
def test_the_authors_loss(selector: PositiveSelector, value: float) -> None:
    """HobbitLong/SupContrast 66a8fe5, losses.py, both temperatures 0.1, with labels and without."""
    drawn = np.random.default_rng(0).normal(size=(6, 2, 8))
    z = functional.normalize(torch.from_numpy(drawn).float(), dim=2)
    found = SupConLoss(selector=selector, temperature=0.1)(z, torch.tensor([0, 0, 1, 1, 1, 2]))
    assert found.item() == pytest.approx(value, abs=2e-6)
