"""Margins by hand."""

from __future__ import annotations

import pytest
import torch

from supcon_ext.selectors.margins import label_margin


def test_by_hand() -> None:
    values = torch.tensor([[3.0, 1.0, 2.0], [3.0, 1.0, 2.0], [5.0, 5.0, 0.0]])
    found = label_margin(values, torch.tensor([0, 1, 1]))
    assert found.tolist() == [1.0, -2.0, 0.0]


def test_one_class_has_no_margin() -> None:
    with pytest.raises(ValueError, match="at least 2 columns"):
        label_margin(torch.zeros(3, 1), torch.zeros(3).long())
