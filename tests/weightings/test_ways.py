"""Every weighting: the fast way and the tiles are the plain formula, in value and gradient."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.losses.reference import reference_loss
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.base import Weighting, WeightingStep
from supcon_ext.weightings.base import weighting as weightings
from supcon_ext.weightings.deferred import Deferred

LABEL = torch.tensor([0, 0, 0, 0, 1, 1, 2])  # of four classes
COUNTS = torch.tensor([40, 12, 3, 0])
TAU = 0.3


def batch() -> Rows:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(14, 6, generator=generator, dtype=torch.float64)
    return Rows.of(
        functional.normalize(z, dim=1).requires_grad_(),
        LABEL.repeat(2),
        index=torch.arange(7).repeat(2),
        trust=torch.tensor([1.0, 1, 0.2, 1, 1, 1, 1]).repeat(2),
    )


def ready(name: str | Weighting) -> Weighting:
    torch.manual_seed(0)
    made = weightings.make(name)
    made.setup(TrainingFacts(55, 4, COUNTS, dim=6, features=5))
    return made.double()


def late(views: Rows, weights: Tensor | None = None, progress: float = 0.9) -> WeightingStep:
    return WeightingStep(views, TAU, class_vectors=weights, counts=COUNTS, progress=progress)


def class_vectors() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 5, generator=generator, dtype=torch.float64).requires_grad_()


def plain(weighting: Weighting, step: WeightingStep) -> Tensor:
    views = step.rows
    weighting.observe(step)
    columns = weighting.columns(step)
    both = views if columns is None else Rows.cat([views, columns])
    plan = weighting.plan(step, views, both)
    return reference_loss(views, both, SameLabel(), plan, TAU)


@pytest.mark.parametrize("name", weightings.names())
def test_fast_and_tiled_ways_are_the_plain_formula(name: str) -> None:
    made, weights, views = ready(name), class_vectors(), batch()
    alone, step = copy.deepcopy(made), late(views, weights)
    expected = plain(alone, step)
    leaves = [views.z, weights, *alone.parameters()]
    wanted = torch.autograd.grad(expected, leaves, allow_unused=True, materialize_grads=True)
    assert float(wanted[0].abs().sum()) > 0
    for tile in (1, 3, 64, None):
        weighting = copy.deepcopy(made)
        loss = SupConLoss(TAU, weighting=weighting, tile=tile, normalize=False)
        found = loss.details(views, step=step).loss
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
        leaves = [views.z, weights, *weighting.parameters()]
        ours = torch.autograd.grad(found, leaves, allow_unused=True, materialize_grads=True)
        for one, other in zip(ours, wanted, strict=True):
            torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_deferred_is_what_it_defers() -> None:
    """With prototypes too; before its time it is SupCon, with nothing among the contrasts."""
    weights, views = class_vectors(), batch()
    later = ready(Deferred("balanced", start=0.8))
    found, expected = (
        SupConLoss(TAU, weighting=made).details(views, step=late(views, weights)).loss
        for made in (later, ready("balanced"))
    )
    assert torch.equal(found, expected)
    early = late(views, progress=0.79)
    assert later.columns(early) is None
    found = SupConLoss(TAU, weighting=later).details(views, step=early).loss
    assert torch.equal(found, SupConLoss(TAU)(views))
