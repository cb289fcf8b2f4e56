"""Closed-form gradients against the loss's own, and the hard-mining tables in exact numbers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.losses.gradients import (
    anchor_gradient,
    denominator_shares,
    full_gradient,
    pair_forces,
    pair_strength,
    tangent,
    target_shares,
    through_normalization,
)
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.losses.tiled import Form, tiled_anchor_losses

FORMS: tuple[Form, ...] = ("out", "in")
LABELS = torch.tensor([0, 1, 0, 2, 1, 0, 3, 1])


def embeddings(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(len(LABELS), 5, generator=generator, dtype=torch.float64)


def same_class(labels: Tensor) -> Tensor:
    return (labels[:, None] == labels).double().fill_diagonal_(0)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_each_anchor_with_its_contrasts_held_fixed(form: Form, temperature: float) -> None:
    z = functional.normalize(embeddings(), dim=1)
    rows = z.clone().requires_grad_()
    losses, _ = tiled_anchor_losses(
        Rows.of(rows, LABELS), Rows.of(z, LABELS), SameLabel(), None, temperature, form, 3
    )
    losses.sum().backward()
    admitted = ~torch.eye(len(z), dtype=torch.bool)
    closed = anchor_gradient(z, z, same_class(LABELS), admitted, temperature, form)
    torch.testing.assert_close(rows.grad, closed, rtol=1e-10, atol=1e-11)
    assert closed[3].abs().max() == 0  # the only one of its class


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(FORMS), st.sampled_from([1.0, 0.3, 0.07]))
def test_total_through_normalisation(seed: int, form: Form, temperature: float) -> None:
    """The anchors' half alone is not the gradient: each row is a contrast too."""
    w = embeddings(seed).requires_grad_()
    SupConLoss(temperature, form, reduction="sum")(w, LABELS).backward()
    plain = w.detach()
    z = functional.normalize(plain, dim=1)
    closed = through_normalization(full_gradient(z, same_class(LABELS), temperature, form), plain)
    torch.testing.assert_close(w.grad, closed, rtol=1e-9, atol=1e-10)
    assert w.grad is not None
    assert (w.grad * plain).sum(1).abs().max() < 1e-10 * (1 + w.grad.abs().max())
    admitted = ~torch.eye(len(z), dtype=torch.bool)
    half = anchor_gradient(z, z, same_class(LABELS), admitted, temperature, form)
    assert (through_normalization(half, plain) - closed).abs().max() > 1e-3


@pytest.mark.parametrize("form", FORMS)
def test_pulls_and_pushes_of_an_anchor_are_in_balance(form: Form) -> None:
    z = functional.normalize(embeddings(), dim=1)
    admitted = ~torch.eye(len(z), dtype=torch.bool)
    forces = pair_forces(z @ z.T / 0.1, same_class(LABELS), admitted, form)
    assert forces.sum(1).abs().max() < 1e-12
    assert (forces[0, LABELS != 0] > 0).all()
    assert (forces.diagonal() == 0).all()


def test_soft_targets_share_by_their_size() -> None:
    targets = torch.tensor([[0.0, 1.0, 0.5, 0.0]])
    logits = torch.tensor([[9.0, 0.0, math.log(2), 5.0]])
    torch.testing.assert_close(
        target_shares(logits, targets, "out"), torch.tensor([[0, 2 / 3, 1 / 3, 0]])
    )
    torch.testing.assert_close(
        target_shares(logits, targets, "in"), torch.tensor([[0.0, 0.5, 0.5, 0]])
    )


def test_an_anchor_without_contrasts_or_positives_has_no_shares() -> None:
    logits = torch.randn(2, 3)
    nothing = torch.zeros(2, 3)
    assert torch.equal(denominator_shares(logits, nothing.bool()), nothing)
    assert torch.equal(target_shares(logits, nothing, "in"), nothing)
    assert torch.equal(pair_forces(logits, nothing, ~nothing.bool()), nothing)


def test_easy_pairs_have_nothing_at_a_right_angle_to_the_anchor() -> None:
    """Khosla et al. 2020, supplement: |z_p - (z_i . z_p) z_i| = sqrt(1 - (z_i . z_p)^2)."""
    z = functional.normalize(embeddings(), dim=1)
    left = torch.linalg.vector_norm(tangent(z[1:], z[:1].expand(len(z) - 1, -1)), dim=1)
    cosine = z[1:] @ z[0]
    torch.testing.assert_close(left, pair_strength(cosine, torch.ones_like(cosine)))
    same = tangent(z[:1], z[:1])
    opposite = tangent(-z[:1], z[:1])
    assert same.abs().max() < 1e-15 and opposite.abs().max() < 1e-15


def measured_strength(
    cosines: list[float], positives: int, temperature: float, form: Form
) -> Tensor:
    """tau |dL/dw| of the anchor along each contrast's own direction, from the loss itself.

    Contrast k lies at its cosine to the anchor in a plane of its own, so that the gradient's part
    along that plane is what this one contrast contributes. The first ``positives`` are positives.
    """
    cosine = torch.tensor(cosines, dtype=torch.float64)
    count = len(cosines)
    rows = torch.zeros(1 + count, 1 + count, dtype=torch.float64)
    rows[0, 0] = 1
    rows[1:, 0] = cosine
    rows[1:, 1:] = torch.diag((1 - cosine.square()).sqrt())
    labels = torch.ones(1 + count, dtype=torch.int64)
    labels[: 1 + positives] = 0
    contrasts = Rows.of(rows, labels)
    w = rows[:1].clone().requires_grad_()
    anchor = contrasts.rows(slice(0, 1)).with_z(functional.normalize(w, dim=1))
    losses, _ = tiled_anchor_losses(anchor, contrasts, SameLabel(), None, temperature, form)
    losses[0].backward()
    assert w.grad is not None
    return temperature * w.grad[0, 1:].abs()


@pytest.mark.parametrize(("cosine", "out"), [(0.9, 0.10084), (0.5, 0.42722), (0.0, 0.49995)])
def test_a_hard_positive_beside_an_easy_one(cosine: float, out: float) -> None:
    """The harder, the stronger, in the out form; in the in form the easy positive takes all."""
    others = [1.0, cosine, *[0.0] * 32]
    assert measured_strength(others, 2, 0.1, "out")[1].item() == pytest.approx(out, abs=5e-6)
    assert measured_strength(others, 2, 0.1, "in")[1].item() < 2e-4


def test_in_form_starves_hard_positives() -> None:
    strengths = [
        measured_strength([1.0, cosine, *[0.0] * 32], 2, 0.1, "in")[1].item()
        for cosine in (0.9, 0.5, 0.0)
    ]
    assert strengths == pytest.approx([0.00012, 0.00001, 0.0], abs=5e-6)


def test_out_form_pulls_harder_positives_more() -> None:
    strengths = [
        measured_strength([1.0, cosine, *[0.0] * 32], 2, 0.1, "out")[1].item()
        for cosine in (0.99, 0.9, 0.7, 0.5, 0.3, 0.1, 0.0)
    ]
    assert strengths == sorted(strengths)


@pytest.mark.parametrize(("negatives", "value"), [(1, 0.16667), (8, 0.4), (64, 0.48485)])
@pytest.mark.parametrize("form", FORMS)
def test_negatives_strengthen_hard_positives_up_to_a_bound(
    negatives: int, value: float, form: Form
) -> None:
    """Two orthogonal positives: K / (2 (K + 2)), always below 1 / |P|."""
    strength = measured_strength([0.0] * (2 + negatives), 2, 0.1, form)[0].item()
    assert strength == pytest.approx(value, abs=5e-6)
    assert strength == pytest.approx(negatives / (2 * (negatives + 2)), rel=1e-12)
    assert strength < 1 / 2


def test_more_negatives_never_weaken_a_hard_positive() -> None:
    strengths = [
        measured_strength([1.0, 0.2, *[-0.1] * count], 2, 0.5, "out")[1].item()
        for count in (10, 20, 40, 80, 160)
    ]
    assert strengths == sorted(strengths) and strengths[-1] < 1 / 2


@pytest.mark.parametrize(
    ("cosine", "value"), [(-0.999, 0.00074), (-0.5, 0.03771), (0.0, 0.11012), (0.5, 0.21799)]
)
def test_hard_negatives_are_pushed_more(cosine: float, value: float) -> None:
    others = [0.5, cosine, *[-0.2] * 8]
    strength = measured_strength(others, 1, 0.5, "out")[1].item()
    assert strength == pytest.approx(value, abs=5e-6)


@pytest.mark.parametrize("form", FORMS)
def test_strength_in_closed_form(form: Form) -> None:
    """out: |D - |P| e| sqrt(1 - c^2) / (|P| D); in: X S_N / (S_P + S_N) sqrt(1 - c^2)."""
    cosine = torch.tensor([0.8, 0.3, 0.1, 0.4, -0.6], dtype=torch.float64)
    e = (cosine / 0.2).exp()
    total, positive = e.sum(), e[:3].sum()
    if form == "out":
        force = (total - 3 * e[:3]).abs() / (3 * total)
    else:
        force = e[:3] / positive * (total - positive) / total
    measured = measured_strength(cosine.tolist(), 3, 0.2, form)[:3]
    torch.testing.assert_close(measured, pair_strength(cosine[:3], force), rtol=1e-10, atol=0)


def test_the_norm_of_a_sum_is_at_most_the_sum_of_the_norms() -> None:
    """The positives' strengths added up bound their joint pull; they seldom point one way."""
    z = functional.normalize(embeddings(3), dim=1)
    admitted = ~torch.eye(len(z), dtype=torch.bool)
    targets = same_class(LABELS)
    forces = pair_forces(z @ z.T / 0.1, targets, admitted)
    pull = tangent((forces * targets) @ z, z)
    bound = (pair_strength(z @ z.T, forces) * targets).sum(1)
    joint = torch.linalg.vector_norm(pull, dim=1)
    assert (joint <= bound + 1e-12).all()
    assert joint[0] < 0.99 * bound[0]
