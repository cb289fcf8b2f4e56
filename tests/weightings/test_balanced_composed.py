"""BCL beside trust, pair rules and posteriors, against loops written from its definition."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.losses.reference import reference_loss
from supcon_ext.losses.rows import PairTile, Source
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.losses.tiled import tiled_anchor_losses
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.balanced import Balanced
from supcon_ext.weightings.base import WeightingStep
from supcon_ext.weightings.prototypes import ClassPrototypes, prototype_rows
from tests.weightings.test_balanced import Given, collapsed, views_of

TAU = 0.3
EXACT = {"atol": 1e-12, "rtol": 0.0}


class OwnOrEven:
    """Own other view, own prototype, and same-class samples whose numbers add up to even."""

    def targets(self, pairs: PairTile) -> Tensor:
        stands = (pairs.contrasts.source == int(Source.PROTOTYPE))[None, :]
        total = pairs.anchors.index[:, None] + pairs.contrasts.index[None, :]
        return pairs.same("index") | (pairs.same("label") & (stands | (total % 2 == 0)))


def unit(seed: int, rows: int, dim: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    return functional.normalize(drawn, dim=1).requires_grad_()


def anchor_loss(
    z: Tensor,
    prototypes: Tensor,
    i: int,
    weight: Sequence[float],
    prototype_weight: Sequence[float],
    positives: Sequence[int],
    own: int,
) -> Tensor:
    """One anchor's loss with the weight of each sample and prototype in its denominator."""
    denominator = sum(
        w * (z[i] @ z[k] / TAU).exp() for k, w in enumerate(weight) if k != i and w > 0
    )
    for c, w in enumerate(prototype_weight):
        denominator = denominator + w * (z[i] @ prototypes[c] / TAU).exp()
    pulled = [z[i] @ z[k] / TAU for k in positives] + [z[i] @ prototypes[own] / TAU]
    return torch.as_tensor(denominator).log() - sum(pulled) / len(pulled)


def composed(
    z: Tensor,
    label: list[int],
    trust: list[float],
    prototypes: Tensor,
    positive: Callable[[int, int], bool],
    gamma: float,
    rho: float,
) -> Tensor:
    """Trusted anchors alone; class means over trusted contrasts; the rest pooled with rho."""
    trusted = [k for k, t in enumerate(trust) if t > 0.5]
    others = len(z) - len(trusted)
    size = [1 + sum(label[k] == c for k in trusted) for c in range(len(prototypes))]
    losses = []
    for i in trusted:
        m = [n - (c == label[i]) for c, n in enumerate(size)]
        weight = [
            m[label[k]] ** (gamma - 1) if k in trusted else rho / others for k in range(len(z))
        ]
        positives = [k for k in range(len(z)) if k != i and positive(i, k)]
        classes = [n ** (gamma - 1) for n in m]
        losses.append(anchor_loss(z, prototypes, i, weight, classes, positives, label[i]))
    return torch.stack(losses).mean() if losses else 0.0 * (z.sum() + prototypes.sum())


def softly(
    z: Tensor, r: Tensor, trust: Tensor, prototypes: Tensor, gamma: float, rho: float
) -> Tensor:
    """The same with posteriors: the working label is the likeliest class."""
    label = r.argmax(1).tolist()
    trusted = [k for k in range(len(z)) if trust[k] > 0.5]
    size = [1 + sum(float(r[k, c]) for k in trusted) for c in range(len(prototypes))]
    losses = []
    for i in trusted:
        m = [(n - float(r[i, c])) ** (gamma - 1) for c, n in enumerate(size)]
        weight = [
            sum(float(r[k, c]) * w for c, w in enumerate(m))
            if k in trusted
            else rho / (len(z) - len(trusted))
            for k in range(len(z))
        ]
        positives = [k for k in range(len(z)) if k != i and label[k] == label[i]]
        losses.append(anchor_loss(z, prototypes, i, weight, m, positives, label[i]))
    return torch.stack(losses).mean()


def same_gradients(found: Tensor, expected: Tensor, leaves: list[Tensor]) -> None:
    torch.testing.assert_close(found, expected, **EXACT)
    wanted = torch.autograd.grad(expected, leaves)
    for ours, theirs in zip(torch.autograd.grad(found, leaves), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, **EXACT)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from([1.0, 0.6, 0.5, 0.0])), min_size=1, max_size=6
    ),
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.4, 1.0]),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.booleans(),
    st.sampled_from([1, 3, 7, None]),
)
def test_trust_and_pair_rule_beside_class_means(
    images: list[tuple[int, float]],
    seed: int,
    gamma: float,
    rho: float,
    strict: bool,
    tile: int | None,
) -> None:
    """The pair rule moves the positives alone, trust the counts; nobody trusted gives 0."""
    n = len(images)
    label, trust = [c for c, _ in images] * 2, [t for _, t in images] * 2
    z, prototypes = unit(seed, 2 * n), unit(seed + 1, 4)

    def positive(i: int, k: int) -> bool:
        even = (i % n + k % n) % 2 == 0
        return i % n == k % n or (label[i] == label[k] and (even or not strict))

    expected = composed(z, label, trust, prototypes, positive, gamma, rho)
    found = SupConLoss(
        TAU,
        selector=OwnOrEven() if strict else None,
        weighting=Given(prototypes, gamma=gamma, unknown=rho),
        tile=tile,
        normalize=False,
    )(views_of(z, torch.tensor(label), torch.tensor(trust)))
    same_gradients(found, expected, [z, prototypes])


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 0.7]),
    st.sampled_from([1, 3, None]),
)
def test_soft_form(seed: int, gamma: float, rho: float, tile: int | None) -> None:
    z, prototypes = unit(seed, 10), unit(seed + 1, 3)
    generator = torch.Generator().manual_seed(seed)
    r = torch.rand(5, 3, generator=generator, dtype=torch.float64)
    r = (r / r.sum(1, keepdim=True)).repeat(2, 1)
    trust = torch.tensor([1.0, 1, 0, 1, 1] * 2)
    index = torch.arange(5).repeat(2)
    rows = Rows.of(z, r.argmax(1), index=index, trust=trust, columns={"posterior": r})
    weighting = Given(prototypes, soft=True, gamma=gamma, unknown=rho)
    found = SupConLoss(TAU, weighting=weighting, tile=tile, normalize=False)(rows)
    same_gradients(found, softly(z, r, trust, prototypes, gamma, rho), [z, prototypes])


def test_soft_form_without_a_posterior_is_the_hard_one() -> None:
    label = torch.tensor([0, 1, 1, 0, 1, 1])
    z, prototypes = unit(0, 6), unit(1, 2)
    soft = SupConLoss(TAU, weighting=Given(prototypes, soft=True))(views_of(z, label))
    assert torch.equal(soft, SupConLoss(TAU, weighting=Given(prototypes))(views_of(z, label)))


@pytest.mark.parametrize("tile", [1, 3, 64, None])
@pytest.mark.parametrize("changes", [{}, {"gamma": 0.5}, {"unknown": 1.0}, {"soft": True}])
def test_fast_and_tiled_ways_are_the_plain_formula(
    changes: dict[str, Any], tile: int | None
) -> None:
    """Both ways through the loss, and the tiles that do everything, in value and gradient."""
    label = torch.tensor([0] * 9 + [1] * 4 + [2]).repeat(2)
    z, prototypes = unit(2, 28, 8), unit(3, 4, 8)
    trust = torch.rand(14, generator=torch.Generator().manual_seed(0)).repeat(2)
    rows = views_of(z, label, trust)
    posterior = (functional.one_hot(label, 4).double() + 0.1).softmax(1)
    rows = Rows.of(z, label, index=rows.index, trust=trust, columns={"posterior": posterior})
    both = Rows.cat([rows, prototype_rows(prototypes, rows)])
    weighting = Given(prototypes, **changes)
    plan = weighting.plan(WeightingStep(rows, TAU), rows, both)
    expected = reference_loss(rows, both, SameLabel(), plan, TAU)
    assert expected > 0
    found = SupConLoss(TAU, weighting=weighting, tile=tile, normalize=False)(rows)
    same_gradients(found, expected, [z, prototypes])
    expected = reference_loss(rows, both, SameLabel(), plan, TAU)
    losses, total = tiled_anchor_losses(rows, both, SameLabel(), plan, TAU, tile=tile or 5)
    assert plan.anchor is not None
    weight = plan.anchor * (total > 0)
    same_gradients((weight * losses).sum() / weight.sum(), expected, [z, prototypes])


def test_rows_with_equal_groups_have_supcon_gradients() -> None:
    """One member more than every other class: all m equal. A plain balanced batch differs."""
    for label, equal in (([0, 0, 0, 1, 1, 2, 2], True), ([0, 0, 1, 1, 2, 2], False)):
        z, prototypes = unit(4, len(label)), unit(5, 3)
        rows = Rows.of(z, torch.tensor(label))
        found, plain = (
            SupConLoss(TAU, weighting=Given(prototypes, gamma=gamma), reduction="none")(rows)[0]
            for gamma in (0.0, 1.0)
        )
        m = label.count(0)
        assert equal == (abs((found - plain).item() + math.log(m)) < 1e-12)
        ours, theirs = (torch.autograd.grad(loss, z)[0] for loss in (found, plain))
        assert equal == torch.allclose(ours, theirs, **EXACT)


def test_doubling_a_class_moves_supcon_alone() -> None:
    once, axes = collapsed([0, 1, 2], 3)
    twice, _ = collapsed([0, 0, 1, 2], 3)
    bcl, supcon = (SupConLoss(1.0, weighting=Given(axes, gamma=gamma)) for gamma in (0.0, 1.0))
    torch.testing.assert_close(bcl(once), bcl(twice), **EXACT)
    assert abs(supcon(once) - supcon(twice)) > 0.1


@pytest.mark.parametrize("tile", [3, None])
def test_images_classes_and_views_may_come_in_any_order(tile: int | None) -> None:
    """Loss and gradients; rows one view after the other or image by image."""
    label = torch.tensor([0, 1, 1, 2, 0, 0]).repeat(2)
    z, prototypes = unit(6, 12), unit(7, 3)
    trust = torch.tensor([1.0, 1, 1, 0, 1, 1]).repeat(2)
    rows = views_of(z, label, trust)

    def loss(views: Rows, made: Tensor) -> Tensor:
        return SupConLoss(TAU, weighting=Given(made, unknown=0.5), tile=tile)(views)

    expected = loss(rows, prototypes)
    interleaved = torch.arange(12).reshape(2, 6).T.flatten()
    drawn = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    for order in (drawn, interleaved, torch.arange(12).roll(6)):
        moved = rows.rows(order)
        moved = Rows.of(moved.z, moved.label, index=moved.index, trust=moved.trust)
        same_gradients(loss(moved, prototypes), loss(rows, prototypes), [z, prototypes])
    names = torch.tensor([2, 0, 1])
    renamed = Rows.of(z, names[label], index=rows.index, trust=trust)
    same_gradients(loss(renamed, prototypes[names.argsort()]), expected, [z, prototypes])


def test_one_view_and_rows_of_any_norm() -> None:
    z, prototypes = unit(8, 4), unit(9, 3)
    label = torch.tensor([0, 1, 1, 2])
    alone = SupConLoss(0.07, weighting=Given(prototypes)).details(Rows.of(z, label))
    assert alone.positives.tolist() == [1, 2, 2, 1] and bool(alone.loss.isfinite())
    long = SupConLoss(0.07, weighting=Given(prototypes))(Rows.of(1e4 * z, label))
    torch.testing.assert_close(long, alone.loss, **EXACT)


class Operations(TorchDispatchMode):
    """Counts what torch is asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("soft", [False, True])
def test_no_loop_goes_over_classes(soft: bool) -> None:
    """Prototypes and plan take as many operations for 400 classes as for 4."""
    found = []
    for classes in (4, 400):
        torch.manual_seed(0)
        label = torch.tensor([0, 1, 2, 2]).repeat(2)
        posterior = functional.one_hot(label, classes).float()
        rows = Rows.of(torch.randn(8, 5), label, columns={"posterior": posterior})
        counts = torch.bincount(label, minlength=classes)
        weighting = Balanced(hidden=4, soft=soft)
        weighting.setup(TrainingFacts(4, classes, counts, dim=5, features=6))
        vectors = torch.randn(classes, 6)
        step = WeightingStep(rows, TAU, class_vectors=vectors, counts=counts)
        with Operations() as operations:
            made = weighting.columns(step)
            assert made is not None and len(made) == classes
            weighting.plan(step, rows, Rows.cat([rows, made]))
        found.append(operations.count)
    assert found[0] == found[1]


def test_class_vectors_must_be_one_for_each_class() -> None:
    made = ClassPrototypes(6, 8, 4, classes=3)
    assert made(torch.randn(3, 6)).shape == (3, 4)
    for shape in ((6, 3), (4, 6), (18,)):
        with pytest.raises(ValueError, match=r"class vectors of shape \(3, 6\)"):
            made(torch.randn(shape))


def test_prototypes_in_evaluation_mode_do_not_depend_on_other_classes() -> None:
    torch.manual_seed(0)
    made = ClassPrototypes(6, 8, 4)
    first, other = torch.randn(3, 6), torch.randn(3, 6)
    other[0] = first[0]
    assert not torch.allclose(made(first)[0], made(other)[0])  # BatchNorm over the class rows
    made.eval()
    torch.testing.assert_close(made(first)[0], made(other)[0])
