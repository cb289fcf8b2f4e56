"""BCL by hand: collapsed classes, counts, exclusions, prototypes, untrusted samples, soft form."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.losses.reference import reference_anchor_losses
from supcon_ext.losses.rows import Source
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.selectors.oracle import Oracle
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.balanced import Balanced
from supcon_ext.weightings.base import WeightingStep
from supcon_ext.weightings.prototypes import ClassPrototypes, prototype_rows


class Given(Balanced):
    """BCL with prototypes that are given, not made."""

    def __init__(self, prototypes: Tensor | None, **changes: object) -> None:
        super().__init__(prototypes=prototypes is not None, **changes)  # type: ignore[arg-type]
        self.given = prototypes

    def columns(self, step: WeightingStep) -> Rows | None:
        return None if self.given is None else prototype_rows(self.given, step.rows)


def views_of(z: Tensor, label: Tensor, trust: Tensor | None = None, copies: int = 2) -> Rows:
    samples = len(label) // copies
    index = torch.arange(samples).repeat(copies)
    return Rows.of(z, label, index=index, trust=trust)


def collapsed(label: Sequence[int], classes: int) -> tuple[Rows, Tensor]:
    """Two views of each image, all views of class j on the j-th axis; prototypes there too."""
    axes = torch.eye(classes, dtype=torch.float64)
    two = torch.tensor(label).repeat(2)
    return views_of(axes[two], two), axes


def released(
    z: Tensor, label: list[int], prototypes: Tensor, temperature: float, gamma: float = 0.0
) -> Tensor:
    """The authors' formula in three loops."""
    classes, losses = len(prototypes), []
    for i in range(len(z)):
        denominator = z.new_zeros(())
        for j in range(classes):
            members = [k for k in range(len(z)) if label[k] == j]
            m = len(members) + 1 - (j == label[i])
            inner = sum((z[i] @ z[k] / temperature).exp() for k in members if k != i)
            denominator = denominator + m ** (gamma - 1) * (
                inner + (z[i] @ prototypes[j] / temperature).exp()
            )
        positives = [z[k] for k in range(len(z)) if label[k] == label[i] and k != i]
        positives.append(prototypes[label[i]])
        mean = sum(z[i] @ p for p in positives) / temperature / len(positives)
        losses.append(denominator.log() - mean)
    return torch.stack(losses).mean()


def drawn(seed: int, label: list[int], classes: int, dim: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(len(label), dim, generator=generator, dtype=torch.float64)
    c = torch.randn(classes, dim, generator=generator, dtype=torch.float64)
    return functional.normalize(z, dim=1), functional.normalize(c, dim=1)


@pytest.mark.parametrize(
    ("label", "classes", "value"),
    [
        ([0, 1], 3, math.log(math.e + 2) - 1),  # 0.551445
        ([0, 0, 0, 1], 2, 0.313262),
        ([0] * 9 + [1], 2, 0.313262),
        ([0, 0], 4, 0.743668),
    ],
)
def test_collapsed_classes_do_not_feel_their_counts(
    label: list[int], classes: int, value: float
) -> None:
    views, axes = collapsed(label, classes)
    assert SupConLoss(1.0, weighting=Given(axes))(views).item() == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(("label", "value"), [([0, 0, 0, 1], 1.850616), ([0] * 9 + [1], 2.874499)])
def test_gamma_one_is_supcon_with_prototypes(label: list[int], value: float) -> None:
    views, axes = collapsed(label, 2)
    assert SupConLoss(1.0, weighting=Given(axes, gamma=1.0))(views).item() == pytest.approx(
        value, abs=1e-6
    )
    z, prototypes = drawn(0, label * 2, 2)
    rows = views_of(z, torch.tensor(label * 2))
    found = SupConLoss(0.2, weighting=Given(prototypes, gamma=1.0))(rows)
    plain = SupConLoss(0.2)(rows, extra=prototype_rows(prototypes, rows))
    torch.testing.assert_close(found, plain, atol=1e-12, rtol=0)


def test_the_anchor_leaves_its_class_and_the_prototype_counts() -> None:
    axes = torch.eye(3, dtype=torch.float64)
    views = views_of(axes[:2], torch.zeros(2, dtype=torch.int64))
    loss = SupConLoss(1.0, weighting=Given(axes[2:]))(views)
    assert loss.item() == pytest.approx(0.0, abs=1e-12)  # counted in, it would be 0.452832


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=7),
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from([1, 3, 64, None]),
)
def test_it_is_the_released_formula(
    images: list[int], seed: int, gamma: float, tile: int | None
) -> None:
    label = images * 2
    z, prototypes = drawn(seed, label, 4)
    z.requires_grad_()
    prototypes.requires_grad_()
    expected = released(z, label, prototypes, 0.2, gamma)
    wanted = torch.autograd.grad(expected, [z, prototypes])
    loss = SupConLoss(0.2, weighting=Given(prototypes, gamma=gamma), tile=tile, normalize=False)
    found = loss(views_of(z, torch.tensor(label)))
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    for ours, theirs in zip(torch.autograd.grad(found, [z, prototypes]), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-11, rtol=0)


def test_equal_groups_are_supcon_up_to_a_constant() -> None:
    """An anchor whose class has one member more than every other: m is the same for all."""
    label = [0, 0, 0, 1, 1, 2, 2]
    z, prototypes = drawn(1, label, 3)
    rows = Rows.of(z, torch.tensor(label))
    found = SupConLoss(0.3, weighting=Given(prototypes), reduction="none")(rows)
    plain = SupConLoss(0.3, weighting=Given(prototypes, gamma=1.0), reduction="none")(rows)
    torch.testing.assert_close(found[:3], plain[:3] - math.log(3), atol=1e-12, rtol=0)


@pytest.mark.parametrize("counts", [(3, 1, 2), (1, 7, 2)])
def test_gradient_mass_of_a_class_does_not_depend_on_its_count(counts: tuple[int, ...]) -> None:
    label = [c for c, n in enumerate(counts) for _ in range(n)]
    views, axes = collapsed(label, 3)
    contrasts = Rows.cat([views, prototype_rows(axes, views)])
    weighting = Given(axes)
    plan = weighting.plan(WeightingStep(views, 1.0), views, contrasts)
    s = views.z @ contrasts.z.T
    assert plan.log_column is not None and plan.log_same is not None
    same = views.label[:, None] == contrasts.label[None, :]
    logits = s + plan.log_column[None, :] + plan.log_same[:, None] * same
    logits[torch.arange(len(views)), torch.arange(len(views))] = -torch.inf
    share = logits.softmax(1)
    for class_ in range(3):
        mass = share[:, contrasts.label == class_].sum(1)
        own = views.label == class_
        torch.testing.assert_close(mass[own], torch.full_like(mass[own], math.e / (math.e + 2)))
        torch.testing.assert_close(mass[~own], torch.full_like(mass[~own], 1 / (math.e + 2)))


def test_absent_classes_get_gradient() -> None:
    z, prototypes = drawn(2, [0, 0], 4)
    prototypes.requires_grad_()
    SupConLoss(0.1, weighting=Given(prototypes))(views_of(z, torch.tensor([0, 0]))).backward()
    assert prototypes.grad is not None and (prototypes.grad.abs().sum(1) > 0).all()


def test_order_of_images_classes_and_views_does_not_matter() -> None:
    label = torch.tensor([0, 1, 1, 2, 0, 0] * 2)
    z, prototypes = drawn(3, label.tolist(), 3)
    first = SupConLoss(0.2, weighting=Given(prototypes))(views_of(z, label))
    swapped = SupConLoss(0.2, weighting=Given(prototypes))(views_of(z.roll(6, 0), label.roll(6, 0)))
    torch.testing.assert_close(swapped, first)
    order = torch.tensor([2, 0, 1])
    renamed = SupConLoss(0.2, weighting=Given(prototypes[order.argsort()]))(
        views_of(z, order[label])
    )
    torch.testing.assert_close(renamed, first)


def test_an_untrusted_sample_changes_no_other_row() -> None:
    label = torch.tensor([0, 1, 1, 0, 1, 1])
    z, prototypes = drawn(4, label.tolist(), 2)
    trust = torch.tensor([1.0, 1, 0, 1, 1, 0])
    everyone = views_of(z, label, trust)
    kept = [0, 1, 3, 4]
    loss = SupConLoss(0.3, selector=Oracle(), weighting=Given(prototypes), reduction="none")
    alone = loss(everyone.rows(torch.tensor(kept)))
    together = loss(everyone)
    torch.testing.assert_close(together[kept], alone, atol=1e-12, rtol=0)
    assert together[[2, 5]].tolist() == [0, 0]
    pooled = SupConLoss(0.3, selector=Oracle(), weighting=Given(prototypes, unknown=1.0)).details(
        everyone
    )
    plain = SupConLoss(0.3, selector=Oracle(), weighting=Given(prototypes)).details(everyone)
    s = (z @ z[[2, 5]].T / 0.3).exp().mean(1)
    mean = plain.anchor_losses[kept] - pooled.anchor_losses[kept]
    d = z.new_zeros(len(kept))
    rows = views_of(z, label, trust)
    both = Rows.cat([rows, prototype_rows(prototypes, rows)])
    plan = Given(prototypes).plan(WeightingStep(rows, 0.3), rows, both)
    assert plan.log_column is not None and plan.log_same is not None
    for n, i in enumerate(kept):
        same = (label[i] == both.label) & (both.trust > 0.5)
        logits = z[i] @ both.z.T / 0.3 + plan.log_column + plan.log_same[i] * same
        logits[i] = -torch.inf
        d[n] = logits.logsumexp(0).exp()
    torch.testing.assert_close(-mean, ((d + s[kept]) / d).log(), atol=1e-9, rtol=0)


def test_all_trusted_is_plain_and_an_emptied_class_is_its_prototype() -> None:
    label = torch.tensor([0, 1, 0, 1])
    z, prototypes = drawn(5, label.tolist(), 3)
    plain = SupConLoss(0.3, weighting=Given(prototypes))(views_of(z, label))
    trusted = SupConLoss(0.3, weighting=Given(prototypes))(
        views_of(z, label, torch.tensor([0.9, 0.6, 0.9, 0.6]))
    )
    assert torch.equal(plain, trusted)
    emptied = SupConLoss(0.3, selector=Oracle(), weighting=Given(prototypes))(
        views_of(z, label, torch.tensor([1.0, 0, 1, 0]))
    )
    only = views_of(z[[0, 2]], label[[0, 2]])
    torch.testing.assert_close(emptied, SupConLoss(0.3, weighting=Given(prototypes))(only))
    nobody = SupConLoss(0.3, weighting=Given(prototypes))(views_of(z, label, torch.zeros(4)))
    assert nobody.item() == 0


def test_rejected_pairs_stay_in_the_denominator() -> None:
    class OwnAndPrototype:
        def targets(self, pairs):  # type: ignore[no-untyped-def]
            stands = (pairs.contrasts.source == int(Source.PROTOTYPE))[None, :]
            return pairs.same("index") | (pairs.same("label") & stands)

    label = torch.tensor([0, 0, 1, 0, 0, 1])
    z, prototypes = drawn(6, label.tolist(), 2)
    rows = views_of(z, label)
    strict = SupConLoss(0.3, selector=OwnAndPrototype(), weighting=Given(prototypes)).details(rows)
    plain = SupConLoss(0.3, weighting=Given(prototypes)).details(rows)
    both = Rows.cat([rows, prototype_rows(prototypes, rows)])
    s = z @ both.z.T / 0.3
    every = (rows.label[:, None] == both.label[None, :]).double()
    every[torch.arange(6), torch.arange(6)] = 0
    few = (
        OwnAndPrototype()
        .targets(  # type: ignore[no-untyped-call]
            type(
                "P",
                (),
                {
                    "contrasts": both,
                    "same": lambda self, name="label": (
                        (rows.column(name)[:, None] == both.column(name)[None, :])
                        & (rows.column(name) >= 0)[:, None]
                    ),
                },
            )()
        )
        .double()
    )
    few[torch.arange(6), torch.arange(6)] = 0
    log_d = plain.anchor_losses + (every * s).sum(1) / every.sum(1)
    torch.testing.assert_close(
        strict.anchor_losses, log_d - (few * s).sum(1) / few.sum(1), atol=1e-9, rtol=0
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_the_soft_form_with_certainty_is_the_hard_form(gamma: float) -> None:
    label = torch.tensor([0, 1, 2, 2, 0, 1, 2, 2])
    z, prototypes = drawn(7, label.tolist(), 3)
    trust = torch.tensor([1.0, 1, 0, 1] * 2)
    rows = views_of(z, label, trust)
    certain = functional.one_hot(label, 3).double()
    known = Rows(
        rows.z, rows.label, rows.index, rows.uid, rows.source, rows.trust, {"posterior": certain}
    )
    soft = SupConLoss(0.3, weighting=Given(prototypes, soft=True, gamma=gamma))(known)
    hard = SupConLoss(0.3, weighting=Given(prototypes, gamma=gamma))(rows)
    torch.testing.assert_close(soft, hard, atol=1e-12, rtol=0)
    uncertain = Rows(
        rows.z,
        rows.label,
        rows.index,
        rows.uid,
        rows.source,
        rows.trust,
        {"posterior": 0.8 * certain + 0.2 / 3},
    )
    tiles = [
        SupConLoss(0.3, weighting=Given(prototypes, soft=True), tile=tile)(uncertain)
        for tile in (1, 3, 64)
    ]
    torch.testing.assert_close(tiles[0], tiles[1])
    torch.testing.assert_close(tiles[0], tiles[2])


def test_prototypes_are_made_of_the_classifier_with_gradient() -> None:
    torch.manual_seed(0)
    made = ClassPrototypes(6, 8, 4)
    weights = torch.randn(3, 6, requires_grad=True)
    z = made(weights)
    torch.testing.assert_close(z.norm(dim=1), torch.ones(3))
    z[0].sum().backward()
    assert weights.grad is not None and (weights.grad.abs().sum(1) > 0).all()  # BatchNorm: all rows
    with pytest.raises(ValueError, match="transposed"):
        made(torch.randn(6, 3))


def test_a_step_gives_prototypes_to_the_loss() -> None:
    torch.manual_seed(0)
    weighting = Balanced(hidden=8)
    counts = torch.tensor([2, 1, 0])
    weighting.setup(TrainingFacts(3, 3, counts, dim=5, features=6))
    weights = torch.randn(3, 6, requires_grad=True)
    z, _ = drawn(8, [0, 1, 0, 0, 1, 0], 3)
    rows = views_of(z.float(), torch.tensor([0, 1, 0] * 2))
    step = WeightingStep(rows, 0.1, class_vectors=weights, counts=counts)
    loss = SupConLoss(0.1, weighting=weighting)
    loss.details(rows, step=step).loss.backward()
    assert weights.grad is not None and bool(weights.grad.isfinite().all())
    with pytest.raises(ValueError, match="prototypes: false"):
        loss(rows)


def test_without_prototypes_a_lonely_sample_is_left_out() -> None:
    z, _ = drawn(9, [0, 0, 1], 2)
    rows = Rows.of(z, torch.tensor([0, 0, 1]))
    found = SupConLoss(0.1, weighting=Given(None)).details(rows)
    assert found.positives.tolist() == [1, 1, 0]
    assert found.loss.isfinite()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_finite(dtype: torch.dtype) -> None:
    label = torch.tensor([0] * 30 + [1, 2])
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(64, 16, generator=generator).to(dtype).requires_grad_()
    prototypes = functional.normalize(torch.randn(4, 16, generator=generator), dim=1)
    loss = SupConLoss(0.07, weighting=Given(prototypes))(views_of(z, label.repeat(2)))
    loss.backward()
    assert loss.isfinite() and z.grad is not None and z.grad.isfinite().all()


def test_the_fast_path_equals_the_plain_formula() -> None:
    label = torch.tensor([0] * 20 + [1] * 6 + [2] * 2)
    z, prototypes = drawn(10, [0] * 56, 4, dim=16)
    rows = views_of(z, label.repeat(2), torch.rand(28).repeat(2))
    both = Rows.cat([rows, prototype_rows(prototypes, rows)])
    loss = SupConLoss(0.2, weighting=Given(prototypes))
    found = loss.details(rows)
    plain, _ = reference_anchor_losses(rows, both, SameLabel(), found.plan, 0.2)
    torch.testing.assert_close(found.anchor_losses, plain, atol=1e-10, rtol=0)
