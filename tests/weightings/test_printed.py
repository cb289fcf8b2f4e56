"""BCL as printed: the anchor stands in its own class's sum and count."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.selectors.oracle import Oracle
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.balanced import Balanced
from supcon_ext.weightings.base import WeightingStep
from supcon_ext.weightings.prototypes import prototype_rows
from tests.weightings import test_product as product


class Printed(Balanced):
    """With prototypes that are given, not made."""

    def __init__(self, prototypes: Tensor | None, **changes: Any) -> None:
        super().__init__(prototypes=prototypes is not None, count="printed", **changes)
        self.given = prototypes

    def _prototypes(self, step: WeightingStep) -> Rows:
        assert self.given is not None
        return prototype_rows(self.given, step.rows)


def views_of(z: Tensor, label: list[int], trust: Tensor | None = None) -> Rows:
    two = torch.tensor(label * 2)
    return Rows.of(z, two, index=torch.arange(len(label)).repeat(2), trust=trust)


def printed(z: Tensor, label: list[int], prototypes: Tensor | None, temperature: float) -> Tensor:
    """The paper's formula in three loops."""
    losses = []
    for i in range(len(z)):
        denominator = z.new_zeros(())
        for j in range(max(label) + 1 if prototypes is None else len(prototypes)):
            members = [z[k] for k in range(len(z)) if label[k] == j]
            members += [] if prototypes is None else [prototypes[j]]
            terms = [(z[i] @ m / temperature).exp() for m in members]
            denominator = denominator + (sum(terms) / len(terms) if terms else 0.0)
        positives = [z[k] for k in range(len(z)) if label[k] == label[i] and k != i]
        positives += [] if prototypes is None else [prototypes[label[i]]]
        pulled = [z[i] @ p / temperature for p in positives]
        losses.append(denominator.log() - sum(pulled) / len(pulled))
    return torch.stack(losses).mean()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=6),
    st.integers(0, 10**6),
    st.sampled_from([1, 3, None]),
    st.booleans(),
)
def test_it_is_the_printed_formula(
    images: list[int], seed: int, tile: int | None, complement: bool
) -> None:
    """Gradients are those of the raw features: on the sphere a self-pair has none."""
    generator = torch.Generator().manual_seed(seed)
    raw, c = (
        torch.randn(rows, 5, generator=generator, dtype=torch.float64).requires_grad_()
        for rows in (2 * len(images), 4)
    )
    prototypes = functional.normalize(c, dim=1) if complement else None
    expected = printed(functional.normalize(raw, dim=1), images * 2, prototypes, 0.2)
    found = SupConLoss(0.2, weighting=Printed(prototypes), tile=tile)(views_of(raw, images))
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    leaves = [raw, c] if complement else [raw]
    wanted = torch.autograd.grad(expected, leaves, retain_graph=True)
    for ours, theirs in zip(torch.autograd.grad(found, leaves), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


def test_two_orthogonal_views_of_one_class() -> None:
    axes = torch.eye(3, dtype=torch.float64)
    loss = SupConLoss(1.0, weighting=Printed(axes[2:]))(views_of(axes[:2], [0]))
    assert loss.item() == pytest.approx(0.452832, abs=1e-6)


def test_untrusted_samples_count_for_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    z, c = (torch.randn(n, 5, generator=generator, dtype=torch.float64) for n in (6, 2))
    weighting = Printed(functional.normalize(c, dim=1))
    loss = SupConLoss(0.2, selector=Oracle(), weighting=weighting, reduction="none")
    found = loss(views_of(z, [0, 1, 1], torch.tensor([1.0, 1, 0] * 2)))
    alone = loss(views_of(z[[0, 1, 3, 4]], [0, 1]))
    torch.testing.assert_close(found[[0, 1, 3, 4]], alone, atol=1e-12, rtol=0)
    assert found[[2, 5]].tolist() == [0, 0]
    nobody = SupConLoss(0.2, weighting=weighting)(views_of(z, [0, 1, 1], torch.zeros(6)))
    assert nobody.item() == 0


@pytest.mark.parametrize("temperature", [0.07, 0.014])
def test_single_precision_stays_finite(temperature: float) -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(64, 16, generator=generator).requires_grad_()
    c = functional.normalize(torch.randn(4, 16, generator=generator), dim=1)
    label = [0] * 30 + [1, 2]
    loss = SupConLoss(temperature, weighting=Printed(c))(views_of(z, label))
    loss.backward()
    assert loss.isfinite() and z.grad is not None and z.grad.isfinite().all()


def test_it_stands_outside_of_training_with_class_vectors() -> None:
    counts = torch.tensor([1, 1])
    weighting = Balanced(hidden=4, count="printed")
    weighting.setup(TrainingFacts(2, 2, counts, dim=5, features=3))
    rows = views_of(torch.randn(4, 5, generator=torch.Generator().manual_seed(0)), [0, 1])
    with pytest.raises(ValueError, match="prototypes: false"):
        SupConLoss(0.1, weighting=weighting)(rows)
    vectors = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    step = WeightingStep(rows, 0.1, class_vectors=vectors, counts=counts)
    made = weighting.columns(step)
    assert made is not None and made.label.tolist() == [0, 1, -1]
    assert SupConLoss(0.1, weighting=weighting).details(rows, step=step).loss.isfinite()
    with pytest.raises(ValueError, match="released"):
        Balanced(soft=True, count="printed")


def test_the_contrastive_term_tells_the_class_vectors() -> None:
    x, label, columns = product.data()
    net = product.Net()
    torch.manual_seed(5)
    made = Balanced(count="printed")
    term = product.Contrastive("label", made, temperature=0.25, diagnostics=True)
    term.setup(product.facts(label))
    loss = product.step(net, x, term, label, columns)
    loss.backward()
    assert loss.isfinite()
    assert net.classifier.weight_CF.grad is not None
    assert net.classifier.weight_CF.grad.isfinite().all()
