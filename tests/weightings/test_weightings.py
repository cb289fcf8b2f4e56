"""The other weightings, each by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.base import Weighting, WeightingStep
from supcon_ext.weightings.deferred import Deferred
from supcon_ext.weightings.dscl import DSCL
from supcon_ext.weightings.effective_number import EffectiveNumberWeights
from supcon_ext.weightings.inverse_frequency import InverseFrequency
from supcon_ext.weightings.prototype_softmax import PrototypeSoftmax
from supcon_ext.weightings.rcl import RCL
from supcon_ext.weightings.tsc import TSC, spread_targets

COUNTS = torch.tensor([5000, 500, 50])


def ready(weighting: Weighting, counts: torch.Tensor = COUNTS) -> Weighting:
    torch.manual_seed(0)
    weighting.setup(TrainingFacts(int(counts.sum()), len(counts), counts, dim=4, features=6))
    return weighting


def at(views: Rows, counts: torch.Tensor = COUNTS, progress: float = 0.0) -> WeightingStep:
    weights = torch.randn(len(counts), 6, generator=torch.Generator().manual_seed(1))
    return WeightingStep(views, 0.5, class_vectors=weights, counts=counts, progress=progress)


def rows(label: list[int], seed: int = 0) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(len(label), 4, generator=generator, dtype=torch.float64)
    return Rows.of(functional.normalize(z, dim=1), torch.tensor(label))


def anchor_weights(weighting: Weighting) -> list[float]:
    views = rows([0, 1, 2, -1])
    plan = weighting.plan(at(views), views, views)
    assert plan.anchor is not None and plan.log_column is None
    return [float(value) for value in plan.anchor]


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [
        (EffectiveNumberWeights(0.9999), [0.0341, 0.2752, 2.6907]),
        (EffectiveNumberWeights(0.0), [1.0, 1.0, 1.0]),
        (InverseFrequency(1.0), [0.0270, 0.2703, 2.7027]),
        (InverseFrequency(0.0), [1.0, 1.0, 1.0]),
    ],
)
def test_anchor_weights(weighting: Weighting, expected: list[float]) -> None:
    found = anchor_weights(ready(weighting))
    assert found[:3] == pytest.approx(expected, abs=1e-4)
    assert found[3] == 1


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((1, 2), (1.310345, 0.689655)), ((4, 1), (0.450552, 1.549448))],
)
def test_effective_numbers_of_small_classes(
    counts: tuple[int, int], expected: tuple[float, float]
) -> None:
    found = anchor_weights_of(EffectiveNumberWeights(0.9), torch.tensor(counts))
    assert found == pytest.approx(expected, abs=1e-6)


def anchor_weights_of(weighting: Weighting, counts: torch.Tensor) -> list[float]:
    views = rows([0, 1])
    plan = ready(weighting, counts).plan(at(views, counts), views, views)
    assert plan.anchor is not None
    return [float(value) for value in plan.anchor]


def test_counts_are_those_of_trusted_samples() -> None:
    weighting = ready(InverseFrequency(), torch.tensor([4, 1]))
    views = rows([0, 1])
    plan = weighting.plan(at(views, torch.tensor([1, 1])), views, views)
    assert plan.anchor is not None and plan.anchor.tolist() == [1, 1]


def test_deferred_takes_over_late() -> None:
    weighting = Deferred(InverseFrequency(), start=0.8)
    views = rows([0, 1, 2])
    ready(weighting)
    assert weighting.plan(at(views, progress=0.79), views, views).anchor is None
    assert weighting.plan(at(views, progress=0.8), views, views).anchor is not None


def test_rcl_multiplies_where_bcl_divides() -> None:
    views = rows([0, 1, 2, -1])
    plan = ready(RCL()).plan(at(views), views, views)
    assert plan.log_column is not None
    size = COUNTS / COUNTS.double().mean()
    expected = [*size.log().tolist(), 0.0]
    assert plan.log_column.tolist() == pytest.approx(expected, abs=1e-9)


def test_dscl_by_hand() -> None:
    """Two views of three images of one class and of one of another."""
    index = torch.arange(4).repeat(2)
    label = torch.tensor([0, 0, 0, 1]).repeat(2)
    views = Rows.of(rows([0] * 8).z, label, index=index)
    beta = 0.5
    found = SupConLoss(0.5, weighting=DSCL(beta)).details(views)
    s = views.z @ views.z.T / 0.5
    log_d = s.clone().fill_diagonal_(-torch.inf).logsumexp(1)
    expected = []
    for i in range(8):
        own = [k for k in range(8) if index[k] == index[i] and k != i]
        others = [k for k in range(8) if label[k] == label[i] and index[k] != index[i]]
        total = sum(float(s[i, k]) for k in own)
        total += sum(beta / len(others) * float(s[i, k]) for k in others)
        expected.append(float(log_d[i]) - total / (1 + beta * bool(others)))
    assert found.anchor_losses.tolist() == pytest.approx(expected, abs=1e-9)


def test_prototype_softmax_is_balanced_softmax_over_cosines() -> None:
    counts = torch.tensor([6, 2, 1])
    weighting = ready(PrototypeSoftmax(tau=1.0, hidden=8), counts)
    assert isinstance(weighting, PrototypeSoftmax) and weighting.made is not None
    weighting.made.eval()  # the same prototypes in both calls
    views = rows([0, 0, 1, 2])
    made = weighting.columns(at(views, counts))
    assert made is not None
    found = SupConLoss(0.5, weighting=weighting).details(views, step=at(views, counts)).loss
    prior = (counts / counts.sum()).double()
    logits = views.z @ made.z.T / 0.5 + prior.log()
    # weights stand in the denominator alone, so the own class's log prior is added: a constant
    constant = prior.log()[views.label].mean()
    torch.testing.assert_close(found, functional.cross_entropy(logits, views.label) + constant)
    plain = ready(PrototypeSoftmax(tau=0.0, hidden=8), counts)
    assert isinstance(plain, PrototypeSoftmax) and plain.made is not None
    plain.made.eval()
    cross = functional.cross_entropy(views.z @ made.z.T / 0.5, views.label)
    told = SupConLoss(0.5, weighting=plain).details(views, step=at(views, counts)).loss
    torch.testing.assert_close(told, cross)


@pytest.mark.parametrize(("classes", "dim"), [(3, 4), (5, 4)])
def test_targets_form_a_simplex(classes: int, dim: int) -> None:
    targets = spread_targets(classes, dim)
    cosine = targets @ targets.T
    off = cosine[~torch.eye(classes, dtype=torch.bool)]
    torch.testing.assert_close(off, torch.full_like(off, -1 / (classes - 1)), atol=0.02, rtol=0)
    assert torch.equal(targets, spread_targets(classes, dim))


def test_tsc_assigns_each_class_the_target_it_is_near() -> None:
    counts = torch.tensor([3, 3, 3])
    weighting = ready(TSC(start=0.5), counts)
    assert isinstance(weighting, TSC)
    order = torch.tensor([2, 0, 1])
    views = Rows.of(weighting.targets[order], torch.tensor([0, 1, 2]))
    step = at(views, counts, 0.6)
    weighting.observe(step)
    made = weighting.columns(step)
    assert weighting.assignment().tolist() == order.tolist()
    assert made is not None
    torch.testing.assert_close(made.z, weighting.targets[order])
    both = Rows.cat([views, made])
    plan = weighting.plan(step, views, both)
    assert plan.target_column is not None
    torch.testing.assert_close(plan.target_column, torch.tensor([1.0, 1, 1, 0.2, 0.2, 0.2]))
    assert weighting.columns(at(views, counts, 0.4)) is None


def test_tsc_remembers_class_means_in_its_state() -> None:
    weighting, other = ready(TSC()), ready(TSC(seed=3))
    weighting.observe(at(rows([0, 0, 1]).with_z(rows([0, 0, 1]).z.float())))
    other.load_state_dict(weighting.state_dict())
    assert isinstance(weighting, TSC) and isinstance(other, TSC)
    assert torch.equal(other.mean, weighting.mean) and other.seen.tolist() == [True, True, False]
    assert math.isclose(float(weighting.mean[0].norm()), 1.0, rel_tol=1e-5)
