"""The conventions of the authors' code: its published plateaus, and its formula written plainly."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.nn import functional

from supcon_ext.losses import SupConLoss


def plain(
    features: torch.Tensor,
    labels: torch.Tensor | None = None,
    mask: torch.Tensor | None = None,
    temperature: float = 0.07,
    base_temperature: float = 0.07,
    contrast_mode: str = "all",
) -> float:
    """What the authors' code computes, from its description, in loops."""
    samples, views = features.shape[:2]
    rows = [(v, n) for v in range(views) for n in range(samples)]
    z = features.flatten(2)
    values = []
    for v, n in rows if contrast_mode == "all" else rows[:samples]:
        logits, weight, exponentials = [], [], 0.0
        for w, m in rows:
            if (w, m) == (v, n):
                continue
            s = float(z[n, v] @ z[m, w]) / temperature
            if mask is not None:
                t = float(mask[n, m])
            elif labels is not None:
                t = float(labels[n] == labels[m])
            else:
                t = float(n == m)
            logits.append(s)
            weight.append(t)
            exponentials += math.exp(s)
        total = sum(weight)
        logs = [s - math.log(exponentials) for s in logits]
        mean = sum(t * p for t, p in zip(weight, logs, strict=True)) / (total or 1)
        values.append(-temperature / base_temperature * mean)
    return sum(values) / len(values)


def batch(samples: int = 5, views: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(samples, views, 4, generator=generator, dtype=torch.float64)
    return functional.normalize(z, dim=2)


@pytest.mark.parametrize(
    ("settings", "inputs"),
    [
        ({}, {}),
        ({}, {"labels": torch.tensor([0, 0, 1, 1, 2])}),
        ({}, {"labels": torch.tensor([[0], [0], [1], [1], [2]])}),
        ({}, {"labels": torch.tensor([0.5, 0.5, 1.5, 1.5, 2])}),
        ({"temperature": 0.2}, {"labels": torch.tensor([0, 0, 1, 1, 2])}),
        ({"temperature": 0.2, "base_temperature": 1.0}, {}),
        ({"contrast_mode": "one"}, {"labels": torch.tensor([0, 1, 1, 1, 2])}),
        ({"contrast_mode": "one"}, {}),
        ({}, {"mask": torch.tensor([[1.0, 0, 2, 0, 0]] * 5)}),
        ({}, {"mask": torch.eye(5).roll(1, 0)}),
    ],
)
def test_it_agrees_call_for_call(settings: dict[str, Any], inputs: dict[str, Any]) -> None:
    features = batch()
    ours = SupConLoss.khosla_compat(**settings)(features, **inputs)
    flat = {k: v.flatten() if k == "labels" else v for k, v in inputs.items()}
    assert ours.item() == pytest.approx(plain(features, **flat, **settings), rel=1e-9)


def test_one_view_and_lonely_anchors_count_as_zero() -> None:
    features = batch(6, 1)
    labels = torch.tensor([0, 0, 1, 2, 3, 4])
    ours = SupConLoss.khosla_compat(0.1, 0.1)(features, labels)
    assert ours.item() == pytest.approx(plain(features, labels, None, 0.1, 0.1), rel=1e-9)
    skipping = SupConLoss(0.1)(features, labels)
    assert skipping.item() == pytest.approx(3 * ours.item(), rel=1e-9)


@pytest.mark.parametrize(
    ("samples", "temperature", "value"),
    [(256, 0.1, 8.909099), (64, 0.1, 6.9203), (4, 0.07, 1.9459)],
)
def test_published_plateaus_of_collapse(samples: int, temperature: float, value: float) -> None:
    features = torch.ones(samples, 2, 3) / math.sqrt(3)
    loss = SupConLoss.khosla_compat(temperature)(features, torch.arange(samples) % 7)
    assert loss.item() == pytest.approx(value, abs=1e-4)


def test_features_of_more_dimensions_and_finite_where_the_original_is_not() -> None:
    maps = torch.randn(3, 2, 2, 4, 4).transpose(3, 4)
    loss = SupConLoss.khosla_compat(0.1)(maps, torch.tensor([0, 0, 1]))
    assert loss.isfinite()
    assert SupConLoss.khosla_compat()(torch.randn(1, 1, 4), torch.tensor([0])).item() == 0


def test_bad_calls_are_named() -> None:
    loss = SupConLoss.khosla_compat()
    with pytest.raises(ValueError, match="views"):
        loss(torch.randn(3, 4))
    with pytest.raises(ValueError, match="both"):
        loss(batch(), torch.arange(5), torch.eye(5))
    with pytest.raises(ValueError, match="contrast_mode"):
        SupConLoss.khosla_compat(contrast_mode="two")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="base_temperature"):
        SupConLoss.khosla_compat(base_temperature=0)
