"""When scores say nothing."""

from __future__ import annotations

import pytest
import torch

from supcon_ext.selectors.per_class import constant


@pytest.mark.parametrize("value", [-2.3, 0.0, 1e-12, 2.3, 1e6])
def test_scores_that_differ_by_rounding_alone_are_equal(
    value: float, caplog: pytest.LogCaptureFixture
) -> None:
    score = torch.full((5,), value)
    score[2] = torch.nextafter(score[2], torch.tensor(float("inf")))
    if value:
        assert constant(score)
        assert "every sample" in caplog.text
    assert constant(torch.full((5,), value))


def test_scores_that_differ_are_not() -> None:
    assert not constant(torch.tensor([0.1, 0.1001]))
    assert not constant(torch.tensor([1e-12, 2e-12]))  # small, but one is twice the other
    assert not constant(torch.tensor([0.5]))
    assert not constant(torch.tensor([0.5, float("nan")]))
