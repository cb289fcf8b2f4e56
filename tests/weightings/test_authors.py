"""Weightings beside their authors' programs, whose numbers on small seeded inputs these are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss, WeightPlan
from supcon_ext.losses.rows import PairWeights, Source, WeightingStep
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.balanced import Balanced
from supcon_ext.weightings.deferred import Deferred
from supcon_ext.weightings.dscl import DSCL
from supcon_ext.weightings.inverse_frequency import InverseFrequency
from supcon_ext.weightings.prototypes import prototype_rows
from supcon_ext.weightings.tsc import TSC
from tests.objectives.seeded import classes, unit


def queue_of(z: Tensor, label: Tensor, index: Tensor) -> Rows:
    number = torch.arange(len(z))
    return Rows.of(z, label, index=index, uid=-100 - number, source=Source.QUEUE)


@pytest.mark.parametrize(
    ("size", "kept", "beta", "expected"),
    [(6, 12, 1.0, 7.103899), (6, 12, 8.0, 6.5381), (2, 3, 1.0, 5.522692), (2, 3, 8.0, 6.081916)],
)
def test_dscl(size: int, kept: int, beta: float, expected: float) -> None:
    """SY-Xuan/DSCL 72c823b, dscl/DSCL.py, DSCLLoss(temperature=0.1, K=kept, weighted_beta=beta).

    The queue holds an older key of the first sample: another positive, as theirs has it.
    """
    label = classes(3, size, 4) if size > 2 else torch.tensor([0, 1])
    old = classes(3, kept, 5) if size > 2 else torch.tensor([0, 1, 2])
    place = 100 + torch.arange(kept)
    place[int((old == label[0]).nonzero()[0, 0])] = 0
    rows = Rows.of(
        torch.cat([unit(size, 8, seed=1), unit(size, 8, seed=2)]),
        label.repeat(2),
        index=torch.arange(size).repeat(2),
    )
    loss = SupConLoss(0.1, weighting=DSCL(beta), anchors="first")
    found = loss(rows, extra=queue_of(unit(kept, 8, seed=3), old, place))
    assert found.item() == pytest.approx(expected, abs=2e-6)


def test_bcl() -> None:
    """FlamieZhu/Balanced-Contrastive-Learning f72d070, loss/contrastive.py, BalSCL, tau 0.1."""

    class Given(Balanced):
        """Prototypes that are given."""

        def columns(self, step: WeightingStep) -> Rows:
            return prototype_rows(unit(4, 8, seed=9), step.rows)

    label = classes(4, 10, 10)
    weighting = Given(prototypes=False)
    weighting.setup(TrainingFacts(10, 4, torch.tensor([8, 4, 2, 1]), dim=8))
    found = SupConLoss(0.1, weighting=weighting)(unit(10, 2, 8, seed=8), label)
    assert found.item() == pytest.approx(5.18945, abs=2e-6)


class Targets(PairWeights):
    """Targets as contrasts, the own one a positive of weight 0.2: TSC's plan with given targets."""

    def __init__(self, z: Tensor, order: Tensor) -> None:
        self.z = z[order]

    def columns(self, step: WeightingStep) -> Rows:
        return prototype_rows(self.z, step.rows)

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        stands = contrasts.source == int(Source.PROTOTYPE)
        return WeightPlan(target_column=torch.where(stands, 0.2, 1.0))


def test_tsc_and_its_scale() -> None:
    """LTH14/targeted-supcon c4f15eb, moco/builder.py, KCL with targets, tw 0.2, every positive.

    Theirs divides by the number of positives, ours by the sum of their weights.
    """
    size, kept, dim = 6, 12, 8
    label, old = torch.arange(size) % 3, classes(3, kept, 5)
    queries, keys, queue = (unit(n, dim, seed=s) for n, s in ((size, 1), (size, 2), (kept, 3)))
    loss = SupConLoss(0.1, weighting=Targets(unit(3, dim, seed=20), torch.tensor([1, 2, 0])))
    found = []
    for i in range(size):  # theirs has no contrasts within the batch
        row = Rows.of(queries[i : i + 1], label[i : i + 1], index=torch.tensor([i]))
        extra = queue_of(
            torch.cat([keys[i : i + 1], queue]),
            torch.cat([label[i : i + 1], old]),
            torch.cat([torch.tensor([i]), 100 + torch.arange(kept)]),
        )
        drawn = int((old == label[i]).sum())
        found.append(float(loss(row, extra=extra)) * (drawn + 1.2) / (drawn + 2))
    assert sum(found) / size == pytest.approx(5.670365, abs=2e-6)


def test_centres_and_assignment_of_tsc() -> None:
    """The same program: the centre of class 0 after one step and two, from given first centres."""
    weighting = TSC()
    weighting.setup(TrainingFacts(6, 3, torch.tensor([2, 2, 2]), dim=8))
    weighting.targets = unit(3, 8, seed=20)
    weighting.mean, weighting.seen = unit(3, 8, seed=21), torch.ones(3, dtype=torch.bool)
    expected = {
        1: [-0.119414, -0.527586, 0.007815, 0.013662, -0.442714, -0.279591, 0.516734, 0.407387],
        11: [-0.150045, -0.487749, 0.012624, 0.032522, -0.412543, -0.368101, 0.502996, 0.423882],
    }
    for seed, centre in expected.items():
        rows = Rows.of(unit(6, 8, seed=seed), torch.arange(6) % 3)
        weighting.observe(WeightingStep(rows, 0.1, progress=1.0))
        torch.testing.assert_close(weighting.mean[0], torch.tensor(centre), atol=2e-6, rtol=0)
        assert weighting.assignment().tolist() == [1, 2, 0]
    assert functional.normalize(weighting.mean, dim=1).allclose(weighting.mean)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0, [1.0] * 5),
        (159, [1.0] * 5),
        (160, [0.0056897, 0.016072, 0.0508765, 0.4488587, 4.4785031]),
        (199, [0.0056897, 0.016072, 0.0508765, 0.4488587, 4.4785031]),
    ],
)
def test_class_weights_of_deferred_reweighting(epoch: int, expected: list[float]) -> None:
    """kaidic/LDAM-DRW 2536330, cifar_train.py, rule DRW: the weights of an epoch of 200."""
    counts, label = torch.tensor([5000, 1500, 450, 50, 5]), torch.arange(5)
    rows = Rows.of(unit(5, 4, seed=0), label)
    weighting = Deferred()
    weighting.setup(TrainingFacts(7005, 5, counts, dim=4))
    step = WeightingStep(rows, 0.1, counts=counts, progress=epoch / 200)
    found = weighting.plan(step, rows, rows).anchor
    found = torch.ones(5) if found is None else found
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-6, rtol=1e-5)


def test_one_over_the_count_is_scikit_learns_balanced_class_weight() -> None:
    """scikit-learn's ``compute_class_weight``, whose weights are brought to a sum of C here."""
    label = torch.arange(4).repeat_interleave(torch.tensor([40, 12, 3, 1]))
    theirs = compute_class_weight("balanced", classes=np.arange(4), y=label.numpy())
    rows = Rows.of(unit(4, 4, seed=0), torch.arange(4))
    weighting = InverseFrequency()
    weighting.setup(TrainingFacts(56, 4, torch.bincount(label), dim=4))
    found = weighting.plan(WeightingStep(rows, 0.1, counts=torch.bincount(label)), rows, rows)
    assert found.anchor is not None
    assert found.anchor.tolist() == pytest.approx(theirs * 4 / theirs.sum(), rel=1e-6)


class QueueAlone(PairWeights):
    """Rows of the batch are no contrasts of each other: queries against keys."""

    def columns(self, step: WeightingStep) -> None:
        return None

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        key = contrasts.source == int(Source.QUEUE)
        return WeightPlan(log_column=torch.where(key, 0.0, -torch.inf), target_column=key.float())


@pytest.mark.parametrize(
    ("cap", "expected", "error"), [(1, 6.632846, 0.0084), (2, 6.518486, 0.0064), (6, 6.401123, 0.0)]
)
def test_kcl(cap: int, expected: float, error: float) -> None:
    """LTH14/targeted-supcon c4f15eb, moco/builder.py, KCL(T=0.1): the mean of 4,000 draws.

    ``error`` is that of their mean. Ours is the mean over 800 copies of each query, each of which
    draws for itself; with a cap above every class's number nothing is drawn.
    """
    size, kept, copies = 6, 12, 800 if error else 20
    label, old = torch.arange(size) % 3, classes(3, kept, 5)
    queries, keys, queue = (unit(n, 8, seed=s) for n, s in ((size, 1), (size, 2), (kept, 3)))
    loss = SupConLoss(
        0.1, weighting=QueueAlone(), positives_cap=cap, surplus="negative", reduction="none"
    )
    found = []
    for i in range(size):
        rows = Rows.of(
            queries[i].expand(copies, -1), label[i].expand(copies), index=torch.full((copies,), i)
        )
        extra = queue_of(
            torch.cat([keys[i : i + 1], queue]),
            torch.cat([label[i : i + 1], old]),
            torch.cat([torch.tensor([i]), 100 + torch.arange(kept)]),
        )
        found.append(loss(rows, extra=extra, cap_seed=3))
    drawn = torch.stack(found).mean(0)
    ours = float(drawn.std()) / copies**0.5
    assert float(drawn.mean()) == pytest.approx(
        expected, abs=3 * (error**2 + ours**2) ** 0.5 + 5e-6
    )
    assert (error > 0) == (ours > 1e-3)
