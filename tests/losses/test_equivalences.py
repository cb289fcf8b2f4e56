"""Losses that the formula contains, each against its own textbook form."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.losses.tiled import Form, tiled_anchor_losses


def unit(*shape: int, seed: int = 0) -> Tensor:
    z = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return functional.normalize(z, dim=-1)


def cross(
    anchors: Tensor, contrasts: Tensor, labels_A: Tensor, labels_K: Tensor, tau: float, form: Form
) -> Tensor:
    """Anchors against contrasts of which none is the anchor itself."""
    own = Rows.of(anchors, labels_A)
    count = len(contrasts)
    others = Rows.of(
        contrasts,
        labels_K,
        index=torch.arange(1000, 1000 + count),
        uid=torch.arange(-count, 0),
    )
    losses, _ = tiled_anchor_losses(own, others, SameLabel(), None, tau, form, 3)
    return losses


def test_several_views_equal_cross_entropy_with_probabilities() -> None:
    """L_out = H(targets / sum, softmax over all others), of which the entropy is log |P|."""
    z, labels = unit(6, 3, 8), torch.tensor([0, 1, 0, 2, 1, 0])
    rows, row_labels = z.transpose(0, 1).reshape(18, 8), labels.repeat(3)
    logits = (rows @ rows.T / 0.2).fill_diagonal_(-1e9)
    targets = (row_labels[:, None] == row_labels).double().fill_diagonal_(0)
    probabilities = targets / targets.sum(1, keepdim=True)
    expected = functional.cross_entropy(logits, probabilities, reduction="none")
    details = SupConLoss(0.2).details(z, labels)
    torch.testing.assert_close(details.anchor_losses, expected, rtol=1e-10, atol=0)
    divergence = functional.kl_div(logits.log_softmax(1), probabilities, reduction="none").sum(1)
    torch.testing.assert_close(
        details.anchor_losses - details.positives.log(), divergence, rtol=1e-8, atol=1e-12
    )


@pytest.mark.parametrize("form", ["out", "in"])
def test_infonce(form: Form) -> None:
    """One key a query, no pair of a row with itself (van den Oord et al. 2018; MoCo)."""
    q, k, number = unit(7, 5, seed=1), unit(7, 5, seed=2), torch.arange(7)
    expected = functional.cross_entropy(q @ k.T / 0.07, number, reduction="none")
    losses = cross(q, k, number, number, 0.07, form)
    torch.testing.assert_close(losses, expected, rtol=1e-10, atol=1e-12)


def test_n_pairs() -> None:
    """log(1 + sum_j exp(f_i . f_j+ - f_i . f_i+)), tau = 1, not normalised (Sohn 2016, eq. 6)."""
    generator = torch.Generator().manual_seed(5)
    f, f_plus = torch.randn(2, 6, 4, generator=generator, dtype=torch.float64)
    similarity = f @ f_plus.T
    difference = similarity - similarity.diagonal()[:, None]
    others = ~torch.eye(6, dtype=torch.bool)
    expected = (1 + (difference.exp() * others).sum(1)).log()
    number = torch.arange(6)
    losses = cross(f, f_plus, number, number, 1.0, "out")
    torch.testing.assert_close(losses, expected, rtol=1e-10, atol=1e-12)


def triplet_loss(positive: float, negative: float, tau: float) -> tuple[float, float]:
    """The loss of one anchor, one positive and one negative at these angles, and d."""
    anchor = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    angles = torch.tensor([positive, negative], dtype=torch.float64)
    others = torch.stack([angles.cos(), angles.sin()], 1)
    loss = cross(anchor, others, torch.tensor([0]), torch.tensor([0, 1]), tau, "out")
    squared = (others - anchor).square().sum(1)
    return loss.item(), (squared[0] - squared[1]).item()


@settings(max_examples=50, deadline=None)
@given(st.floats(0, math.pi), st.floats(0, math.pi), st.sampled_from([1.0, 0.5, 0.1, 0.05, 0.02]))
def test_one_positive_and_one_negative_are_a_soft_triplet(
    positive: float, negative: float, tau: float
) -> None:
    """L = softplus(d / (2 tau)) exactly, with d = |a - p|^2 - |a - n|^2."""
    loss, d = triplet_loss(positive, negative, tau)
    exponent = torch.tensor(d / (2 * tau), dtype=torch.float64)
    exact = torch.logaddexp(exponent, torch.zeros_like(exponent)).item()
    assert loss == pytest.approx(exact, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("angles", [(2.0, 0.3), (1.3, 1.2), (0.3, 2.0)])
def test_limit_of_the_triplet_form(angles: tuple[float, float]) -> None:
    """tau L tends to max(0, d) / 2, a triplet loss of margin 0, from above by at most tau log 2."""
    gaps = []
    for tau in (0.1, 0.03, 0.01, 0.003, 0.001):
        loss, d = triplet_loss(*angles, tau)
        gap = tau * loss - max(0.0, d) / 2
        assert -1e-9 <= gap <= tau * math.log(2) + 1e-12
        gaps.append(gap)
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(gaps))
    assert gaps[-1] < 1e-5


def test_near_equal_distances_the_triplet_form_is_linear() -> None:
    """log 2 + d / (4 tau) to first order, not d + 2 tau."""
    loss, d = triplet_loss(1.0, 0.999, 1.0)
    assert loss == pytest.approx(math.log(2) + d / 4, abs=d * d)


def test_soft_nearest_neighbours_and_the_in_form() -> None:
    """-log(sum_P e / sum_A e) = L_in - log |P| (Frosst et al. 2019, with cosines)."""
    z, labels = unit(9, 6, seed=4), torch.tensor([0, 1, 2] * 3)
    e = (z @ z.T / 0.3).exp().fill_diagonal_(0)
    same = labels[:, None] == labels
    expected = -((e * same).sum(1) / e.sum(1)).log()
    details = SupConLoss(0.3, "in").details(z, labels)
    torch.testing.assert_close(
        details.anchor_losses - details.positives.log(), expected, rtol=1e-10, atol=1e-12
    )


@pytest.mark.parametrize("form", ["out", "in"])
def test_prototypes_alone_are_a_cosine_classifier(form: Form) -> None:
    z, prototypes = unit(10, 6, seed=1), unit(4, 6, seed=2)
    labels = torch.arange(10) % 4
    expected = functional.cross_entropy(z @ prototypes.T / 0.1, labels, reduction="none")
    losses = cross(z, prototypes, labels, torch.arange(4), 0.1, form)
    torch.testing.assert_close(losses, expected, rtol=1e-10, atol=1e-12)


def test_one_positive_makes_both_forms_equal() -> None:
    z = unit(8, 2, 16)
    first, second = z.clone().requires_grad_(), z.clone().requires_grad_()
    out, inside = SupConLoss(0.1, "out")(first), SupConLoss(0.1, "in")(second)
    out.backward()
    inside.backward()
    assert out.item() == pytest.approx(inside.item(), rel=1e-12)
    torch.testing.assert_close(first.grad, second.grad, rtol=1e-9, atol=1e-12)


def two_positives(first: float, second: float, form: Form) -> tuple[float, Tensor]:
    """Loss and gradient of an anchor with two positives and one negative at cosine -0.7."""
    cosine = torch.tensor([first, second, -0.7], dtype=torch.float64)
    others = torch.cat([cosine[:, None], torch.diag((1 - cosine**2).sqrt())], 1)
    anchor = torch.eye(4, dtype=torch.float64)[:1].requires_grad_()
    labels = torch.tensor([0, 0, 1])
    loss = cross(anchor, others, torch.tensor([0]), labels, 0.5, form)
    loss.sum().backward()
    assert anchor.grad is not None
    return loss.item(), anchor.grad


def test_jensen_is_an_equality_for_equally_similar_positives() -> None:
    """Then both are log(|P| + sum_N e^((s_n - s_p) / tau)), and so are the gradients."""
    (out, grad_out), (inside, grad_in) = (two_positives(0.8, 0.8, form) for form in ("out", "in"))
    assert out == pytest.approx(0.7177359, abs=1e-7)
    assert out == pytest.approx(math.log(2 + math.exp(-3)), rel=1e-12)
    assert inside == pytest.approx(out, rel=1e-12)
    torch.testing.assert_close(grad_out, grad_in, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("second", [0.79, 0.5, -0.9])
def test_jensen_is_strict_for_unequally_similar_positives(second: float) -> None:
    out, inside = two_positives(0.8, second, "out")[0], two_positives(0.8, second, "in")[0]
    assert inside < out - 1e-5
    assert inside >= math.log(2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1.0, 0.1, 0.02]))
def test_jensen_and_lower_bound_in_any_batch(seed: int, tau: float) -> None:
    """log |P| <= L_in <= L_out for every anchor."""
    z, labels = unit(12, 4, seed=seed), torch.arange(12) % 3
    out, inside = (SupConLoss(tau, form).details(z, labels) for form in ("out", "in"))
    assert (inside.anchor_losses <= out.anchor_losses + 1e-9).all()
    assert (inside.anchor_losses >= inside.positives.log() - 1e-9).all()


@pytest.mark.parametrize("tau", [1.0, 0.1, 0.05])
def test_equal_similarities_of_all_pairs_give_log_of_their_number(tau: float) -> None:
    """Not only equal rows: any regular simplex, at whatever cosine, for any labels."""
    corners = functional.normalize(torch.eye(9, dtype=torch.float64) - 0.3 / 9, dim=1)
    details = SupConLoss(tau).details(corners, torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2]))
    torch.testing.assert_close(
        details.anchor_losses, torch.full((9,), math.log(8), dtype=torch.float64)
    )
