"""Diagnostics against their definitions with the whole matrix, and on batches known to be sick."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses import PairTile, Rows, SupConLoss, WeightPlan
from supcon_ext.losses.diagnostics import Diagnostics, diagnose
from supcon_ext.losses.gradients import pair_forces, tangent
from supcon_ext.losses.rows import PairRule
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.losses.tiled import Form, tiled_anchor_losses

LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3, -1, 0])


def rows(seed: int = 0, count: int = len(LABELS), dim: int = 6) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return functional.normalize(
        torch.randn(count, dim, generator=generator, dtype=torch.float64), dim=1
    )


def measured(
    views: Rows,
    rule: PairRule,
    tau: float = 0.1,
    tile: int = 1024,
    plan: WeightPlan | None = None,
    form: Form = "out",
) -> Diagnostics:
    losses, targets = tiled_anchor_losses(views, views, rule, plan, tau, form)
    return diagnose(views, views, rule, losses, targets, tau, tile, plan=plan, form=form)


class Graded:
    """Targets that fall off with the distance of two samples."""

    def targets(self, pairs: PairTile) -> Tensor:
        gap = (pairs.anchors.index[:, None] - pairs.contrasts.index[None, :]).abs()
        return (1 - gap / 4).clamp(min=0)


def test_against_the_whole_matrix() -> None:
    z = rows()
    found = measured(Rows.of(z, LABELS), SameLabel(), 0.3, tile=4)
    others = ~torch.eye(9, dtype=torch.bool)
    same = (LABELS[:, None] == LABELS) & others & (LABELS != -1)[:, None]
    cosine, distance = z @ z.T, torch.cdist(z, z).square()
    torch.testing.assert_close(found.alignment, distance[same].mean())
    torch.testing.assert_close(found.uniformity, (-2 * distance[others]).exp().mean().log())
    torch.testing.assert_close(found.positive_similarity, cosine[same].mean())
    torch.testing.assert_close(found.negative_similarity, cosine[others & ~same].mean())
    assert found.positives.tolist() == [3, 1, 3, 0, 1, 3, 0, 0, 3]
    paired = found.positives > 0
    torch.testing.assert_close(found.kl[paired], found.loss[paired] - found.positives[paired].log())
    assert (found.kl[paired] > 0).all()
    assert found.kl[~paired].tolist() == [0, 0, 0]
    assert not found.collapsed


@pytest.mark.parametrize("form", ["out", "in"])
@pytest.mark.parametrize("rule", [SameLabel(), Graded()])
def test_gradient_parts(form: Form, rule: PairRule) -> None:
    """Together they are what autograd says; apart, the projected sums over P(i) and N(i)."""
    z = rows(2)
    views = Rows.of(z, LABELS)
    found = measured(views, rule, 0.2, tile=4, form=form)
    others = ~torch.eye(9, dtype=torch.bool)
    targets = rule.targets(PairTile(views, views, z @ z.T)).double() * others
    forces = pair_forces(z @ z.T / 0.2, targets, others, form)
    pull = tangent((forces * (targets > 0)) @ z, z) / 0.2
    push = tangent((forces * (targets == 0)) @ z, z) / 0.2
    torch.testing.assert_close(found.positive_gradient, pull.norm(dim=1))
    torch.testing.assert_close(found.negative_gradient, push.norm(dim=1))
    w = z.clone().requires_grad_()
    anchors = views.with_z(functional.normalize(w, dim=1))
    losses, _ = tiled_anchor_losses(anchors, views, rule, None, 0.2, form)
    losses.sum().backward()
    torch.testing.assert_close(w.grad, pull + push)


def test_soft_targets_are_measured_against_their_own_entropy() -> None:
    z = rows(3)
    views = Rows.of(z)
    found = measured(views, Graded(), 0.3, tile=2)
    others = ~torch.eye(9, dtype=torch.bool)
    targets = Graded().targets(PairTile(views, views, z @ z.T)).double() * others
    share = targets / targets.sum(1, keepdim=True)
    logits = (z @ z.T / 0.3).masked_fill(~others, -torch.inf)
    log_softmax = logits.log_softmax(1).masked_fill(~others, 0)
    expected = (torch.xlogy(share, share) - share * log_softmax).sum(1)
    torch.testing.assert_close(found.kl, expected)
    torch.testing.assert_close(
        found.positive_similarity, (targets * (z @ z.T)).sum() / targets.sum()
    )


def test_plan_and_row_temperatures_enter_the_gradient() -> None:
    z = rows(4)
    views = Rows.of(z, LABELS)
    log_column = torch.linspace(-1, 1, 9, dtype=torch.float64)
    log_column[6] = -torch.inf
    plan = WeightPlan(
        log_column=log_column,
        log_same=torch.linspace(0, 0.5, 9, dtype=torch.float64),
        temperature=torch.linspace(0.2, 0.4, 9, dtype=torch.float64),
    )
    found = measured(views, SameLabel(), plan=plan, tile=4)
    w = z.clone().requires_grad_()
    anchors = views.with_z(functional.normalize(w, dim=1))
    losses, _ = tiled_anchor_losses(anchors, views, SameLabel(), plan)
    losses.sum().backward()
    assert w.grad is not None
    norm = w.grad.norm(dim=1)
    low = (found.positive_gradient - found.negative_gradient).abs()
    assert (norm >= low - 1e-9).all()
    assert (norm <= found.positive_gradient + found.negative_gradient + 1e-9).all()
    assert (norm[found.positives > 0] > 0).all()


@pytest.mark.parametrize("tile", [1, 2, 5, 100])
def test_tiles_do_not_matter(tile: int) -> None:
    views = Rows.of(rows(5), LABELS)
    whole = measured(views, SameLabel())
    tiled = measured(views, SameLabel(), tile=tile)
    for field in dataclasses.fields(Diagnostics):
        torch.testing.assert_close(getattr(tiled, field.name), getattr(whole, field.name))


def test_from_a_loss_on_other_contrasts() -> None:
    """Anchors and contrasts as a loss hands them over, a queue among them."""
    queue = Rows.of(
        rows(7, 5), torch.arange(5), index=torch.arange(100, 105), uid=-1 - torch.arange(5)
    )
    batch = rows(6, 8).view(4, 2, 6)
    result = SupConLoss(0.2).details(batch, torch.tensor([0, 1, 0, 2]), extra=queue)
    found = diagnose(
        result.anchors,
        result.contrasts,
        SameLabel(),
        result.anchor_losses,
        result.positives,
        0.2,
    )
    torch.testing.assert_close(found.loss, result.anchor_losses)
    cosine = result.anchors.z @ result.contrasts.z.T
    itself = result.anchors.uid[:, None] == result.contrasts.uid[None, :]
    expected = (-2 * (2 - 2 * cosine[~itself])).exp().mean().log()
    torch.testing.assert_close(found.uniformity, expected)


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_equal_rows_are_a_collapse(temperature: float) -> None:
    z = functional.normalize(torch.ones(32, 6, dtype=torch.float64), dim=1)
    found = measured(Rows.of(z, torch.arange(32) % 4), SameLabel(), temperature)
    assert found.collapsed
    assert found.loss[0].item() == pytest.approx(math.log(31))
    assert found.alignment.abs() < 1e-12 and found.uniformity.abs() < 1e-12
    assert found.positive_gradient.max() < 1e-12 and found.negative_gradient.max() < 1e-12


def test_almost_equal_rows_are_a_collapse_and_spread_ones_are_none() -> None:
    labels = torch.arange(64) % 4
    noise = rows(8, 64)
    near = functional.normalize(torch.ones_like(noise) + 0.01 * noise, dim=1)
    assert measured(Rows.of(near, labels), SameLabel()).collapsed
    assert not measured(Rows.of(noise, labels), SameLabel()).collapsed
    corners = torch.eye(6, dtype=torch.float64)[labels]
    solved = measured(Rows.of(corners, labels), SameLabel())
    assert not solved.collapsed
    assert solved.kl.max() < 0.01


def test_a_collapse_under_column_weights() -> None:
    """Equal rows give the log of the summed weights, which is what the flag compares with."""
    z = functional.normalize(torch.ones(16, 6, dtype=torch.float64), dim=1)
    plan = WeightPlan(log_column=torch.linspace(-3, 0, 16, dtype=torch.float64))
    assert measured(Rows.of(z, torch.arange(16) % 4), SameLabel(), plan=plan).collapsed


def test_without_any_positive_nothing_is_claimed() -> None:
    found = measured(Rows.of(rows(9), None), SameLabel())
    assert found.alignment.isnan() and found.positive_similarity.isnan()
    assert not found.collapsed
    for name in ("loss", "kl", "positive_gradient", "negative_gradient"):
        assert getattr(found, name).abs().max() == 0
    assert found.uniformity.isfinite()


def test_nothing_passes_a_gradient() -> None:
    z = rows().requires_grad_()
    found = measured(Rows.of(z, LABELS), SameLabel())
    assert not any(getattr(found, f.name).requires_grad for f in dataclasses.fields(Diagnostics))


def test_float32_at_a_small_temperature_is_finite() -> None:
    z = torch.stack([torch.eye(3)[0], -torch.eye(3)[0]]).repeat(3, 1)
    found = measured(Rows.of(z, torch.tensor([0, 0, 1, 1, 0, 0])), SameLabel(), 0.01)
    for field in dataclasses.fields(Diagnostics):
        assert getattr(found, field.name).isfinite().all()


def test_wrong_shapes_are_named() -> None:
    views = Rows.of(rows(), LABELS)
    with pytest.raises(ValueError, match="`losses_A` of shape"):
        diagnose(views, views, SameLabel(), torch.zeros(3), torch.zeros(9), 0.1)
    with pytest.raises(ValueError, match="`targets_A` of shape"):
        diagnose(views, views, SameLabel(), torch.zeros(9), torch.zeros(9, 1), 0.1)
