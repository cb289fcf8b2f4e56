"""Prototypes and targets survive caps, queues, Mixup and selection: a property over the product.

An anchor with a known trusted label has its class's prototype among its positives, with exactly the
weight that the weighting says, and every other class's among its contrasts alone; and the loss is
the plain formula, with what a cap drops found in loops.
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss
from supcon_ext.losses.cap import Cap
from supcon_ext.losses.mixup import MixupRule, mixed_rows
from supcon_ext.losses.reference import reference_anchor_losses
from supcon_ext.losses.rows import PairRule, PairTile, Source, WeightingStep, WeightPlan
from supcon_ext.losses.supcon import LossResult, SameLabel
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.balanced import Balanced
from supcon_ext.weightings.base import Weighting
from supcon_ext.weightings.deferred import Deferred
from supcon_ext.weightings.prototype_softmax import PrototypeSoftmax
from supcon_ext.weightings.tsc import TSC

SAMPLES, CLASSES, DIM, TAU = 5, 4, 6, 0.5  # no sample is of the last class
COUNTS = torch.tensor([40, 12, 3, 2])
MADE: dict[str, tuple[Weighting, float]] = {  # with the weight of the own prototype as a positive
    "balanced": (Balanced(hidden=5), 1.0),
    "balanced, half way, with all untrusted rows": (
        Balanced(hidden=5, gamma=0.4, unknown=0.5),
        1.0,
    ),
    "prototype_softmax": (PrototypeSoftmax(hidden=5), 1.0),
    "tsc": (TSC(start=0.0), 0.2),
    "tsc of another weight": (TSC(start=0.0, positive=0.7), 0.7),
}
MADE |= {f"deferred {name}": (Deferred(made, 0.5), own) for name, (made, own) in MADE.items()}


class Believed:
    """Same sample, or the same label of two trusted rows."""

    def targets(self, pairs: PairTile) -> Tensor:
        trusted = (pairs.anchors.trust > 0.5)[:, None] & (pairs.contrasts.trust > 0.5)[None, :]
        return pairs.same("index") | (pairs.same("label") & trusted)


class Without:
    """A rule less the positives that a cap draws away."""

    def __init__(self, rule: PairRule, dropped_AK: Tensor) -> None:
        self.rule, self.dropped_AK = rule, dropped_AK

    def targets(self, pairs: PairTile) -> Tensor:
        return self.rule.targets(pairs).masked_fill(self.dropped_AK, 0)


@dataclass
class Case:
    """A batch, a queue, and what an anchor's labels are with their shares."""

    views: Rows
    queue: Rows | None
    mixed: bool
    believed: bool

    def rule(self) -> PairRule:
        rule = Believed() if self.believed else SameLabel()
        return MixupRule(rule) if self.mixed else rule

    def share_of_prototypes(self) -> Tensor:
        """``(A, C)`` share of each class's prototype in an anchor, from labels and trust alone."""
        parts = [(self.views.label, self.views.trust, torch.ones(len(self.views)).double())]
        if self.mixed:
            extra = self.views.columns
            share = extra["mix:share"]
            parts = [
                (self.views.label, self.views.trust, share),
                (extra["mix:label"], extra["mix:trust"], 1 - share),
            ]
        found = torch.zeros(len(self.views), CLASSES).double()
        for label, trust, share in parts:
            for i, c in enumerate(label.tolist()):
                if c >= 0 and (float(trust[i]) > 0.5 or not self.believed):
                    found[i, c] += share[i]
        return found


def case(seed: int, views: int, queue: int, mixed: bool, believed: bool) -> Case:
    generator = torch.Generator().manual_seed(seed)

    def unit(count: int) -> Tensor:
        z = torch.randn(count, DIM, generator=generator, dtype=torch.float64)
        return functional.normalize(z, dim=1)

    label = torch.randint(-1, CLASSES - 1, (SAMPLES + 3,), generator=generator)
    trust = torch.rand(SAMPLES + 3, generator=generator)
    index = torch.arange(SAMPLES).repeat(views)
    rows = Rows.of(unit(len(index)), label[index], index=index, trust=trust[index])
    if mixed:
        partner = torch.cat([torch.randperm(SAMPLES, generator=generator) for _ in range(views)])
        start = SAMPLES * torch.arange(views).repeat_interleave(SAMPLES)
        share = 0.5 + torch.rand(len(index), generator=generator, dtype=torch.float64) / 2
        rows = mixed_rows(rows, rows.rows(partner + start), share)
    if not queue:
        return Case(rows, None, mixed, believed)
    old = torch.randint(0, SAMPLES + 3, (queue,), generator=generator)  # own samples among them
    uid = -100 - torch.arange(queue)
    keys = Rows.of(
        unit(queue), label[old], index=old, uid=uid, trust=trust[old], source=Source.QUEUE
    )
    return Case(rows, keys, mixed, believed)


@functools.cache
def ready(name: str) -> Weighting:
    torch.manual_seed(0)
    weighting = MADE[name][0]
    weighting.setup(TrainingFacts(57, CLASSES, COUNTS, dim=DIM, features=5))
    return weighting.double().eval()  # prototypes are the same in each call


def run(name: str, made: Case, **changes: Any) -> tuple[LossResult, Tensor]:
    """The loss of each anchor, and the gradient of its columns as the loss had them."""
    weighting = copy.deepcopy(ready(name))
    leaf: list[Tensor] = []
    columns = weighting.columns

    def with_leaf(step: WeightingStep) -> Rows:
        found = columns(step)
        assert found is not None
        leaf.append(found.z.detach().double().requires_grad_())
        return found.with_z(leaf[-1])

    weighting.columns = with_leaf  # type: ignore[method-assign]
    vectors = torch.randn(
        CLASSES, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    step = WeightingStep(made.views, TAU, class_vectors=vectors, counts=COUNTS, progress=0.9)
    loss = SupConLoss(
        TAU, selector=made.rule(), weighting=weighting, normalize=False, reduction="none", **changes
    )
    found = loss.details(made.views, extra=made.queue, cap_seed=5, step=step)
    return found, leaf[0]


def dropped(found: LossResult, rule: PairRule, cap: int | None) -> Tensor:
    """``(A, K)`` positives over a cap, of those that are neither own rows nor prototypes."""
    anchors, contrasts, plan = found.anchors, found.contrasts, found.plan
    pairs = PairTile(anchors, contrasts, anchors.z @ contrasts.z.T)
    targets = rule.targets(pairs).double()
    if plan.target_column is not None:
        targets = targets * plan.target_column
    over = torch.zeros_like(targets, dtype=torch.bool)
    if cap is None:
        return over
    priority = Cap(cap, seed=5).priority(pairs).tolist()
    positive, own, place = (targets > 0).tolist(), anchors.index.tolist(), contrasts.index.tolist()
    source = contrasts.source.tolist()
    for i in range(len(anchors)):
        counted = [
            (priority[i][k], k)
            for k in range(len(contrasts))
            if positive[i][k] and own[i] != place[k] and source[k] != int(Source.PROTOTYPE)
        ]
        for _, k in sorted(counted)[cap:]:
            over[i, k] = True
    return over


PRODUCT = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 9999),
        "views": st.integers(1, 2),
        "queue": st.sampled_from([0, 9]),
        "mixed": st.booleans(),
        "believed": st.booleans(),
    }
)
SETTINGS = {
    "name": st.sampled_from(sorted(MADE)),
    "product": PRODUCT,
    "cap": st.sampled_from([None, 0, 1, 6]),
    "surplus": st.sampled_from(["dropped", "negative"]),
    "tile": st.sampled_from([5, None]),
}


@settings(max_examples=40, deadline=None)
@given(
    **SETTINGS,
    denominator=st.sampled_from(["all", "one_positive", "only_negatives"]),
    form=st.sampled_from(["out", "in"]),
)
def test_it_is_the_plain_formula(
    name: str,
    product: dict[str, Any],
    cap: int | None,
    surplus: str,
    tile: int | None,
    denominator: Literal["all", "one_positive", "only_negatives"],
    form: Literal["out", "in"],
) -> None:
    made = case(**product)
    changes = {"denominator": denominator, "form": form, "surplus": surplus, "tile": tile}
    found, leaf = run(name, made, positives_cap=cap, **changes)
    rule = made.rule()
    over = dropped(found, rule, cap)
    columns = leaf.detach().clone().requires_grad_()
    contrasts = found.contrasts
    stands = contrasts.source == int(Source.PROTOTYPE)
    z = torch.cat([contrasts.z[~stands], columns])
    assert torch.equal(z.detach(), contrasts.z)
    losses, total = reference_anchor_losses(
        found.anchors,
        contrasts.with_z(z),
        Without(rule, over),
        found.plan,
        TAU,
        form,
        denominator,
        over if surplus == "dropped" else None,
    )
    weight = torch.ones_like(losses) if found.plan.anchor is None else found.plan.anchor
    expected = losses * weight * (total > 0)
    torch.testing.assert_close(found.loss, expected, atol=1e-10, rtol=0)
    torch.testing.assert_close(found.positives, total, atol=1e-10, rtol=0)
    (ours,) = torch.autograd.grad(found.loss.sum(), leaf)
    (theirs,) = torch.autograd.grad(expected.sum(), columns)
    torch.testing.assert_close(ours, theirs, atol=1e-10, rtol=0)


def log_weight(plan: WeightPlan, anchor: int, column: int) -> float:
    """The log weight of a contrast for an anchor, where no table is."""
    value = 0.0 if plan.log_column is None else float(plan.log_column[column])
    if plan.log_same is not None and plan.group is not None:
        same = int(plan.group[anchor]) == int(plan.group[column]) >= 0
        value += float(plan.log_same[anchor]) * same
    return value


@settings(max_examples=40, deadline=None)
@given(**SETTINGS)
def test_each_anchor_has_its_own_prototype_and_stands_against_the_others(
    name: str, product: dict[str, Any], cap: int | None, surplus: str, tile: int | None
) -> None:
    """Read off the gradient: d L_i / d c = (p_ic - t_ic / T_i) z_i / tau, and p_ic by ratios."""
    made = case(**product)
    found, leaf = run(name, made, positives_cap=cap, surplus=surplus, tile=tile)
    weight = found.plan.anchor
    share, z, start = made.share_of_prototypes(), made.views.z, len(found.contrasts) - CLASSES
    for i in range(len(made.views)):
        if int(made.views.label[i]) < 0 or float(made.views.trust[i]) <= 0.5:
            continue
        assert weight is None or float(weight[i]) == 1
        (grad,) = torch.autograd.grad(found.loss[i], leaf, retain_graph=True)
        force = (grad @ z[i]) * TAU  # z_i is of unit norm
        weights = [log_weight(found.plan, i, start + c) for c in range(CLASSES)]
        logit = leaf.detach() @ z[i] / TAU + torch.tensor(weights, dtype=torch.float64)
        none = CLASSES - 1  # the class that nobody is of: a contrast alone
        assert float(force[none]) > 0
        chance = force[none] * (logit - logit[none]).exp()
        targets = (chance - force) * found.positives[i]
        expected = MADE[name][1] * share[i]
        torch.testing.assert_close(targets, expected, atol=1e-8, rtol=0)
        assert float(expected[int(made.views.label[i])]) > 0
        assert bool((force[expected == 0] > 0).all())


@pytest.mark.parametrize("name", sorted(MADE))
@pytest.mark.parametrize("cap", [0, 1])
def test_an_anchor_whose_class_is_alone_keeps_its_prototype(name: str, cap: int) -> None:
    """One view, another class each: the own prototype is the only positive, in any setting."""
    z = functional.normalize(torch.eye(3, DIM, dtype=torch.float64) + 0.1, dim=1)
    made = Case(Rows.of(z, torch.arange(3)), None, False, False)
    found, leaf = run(name, made, positives_cap=cap, surplus="negative")
    assert found.positives.tolist() == pytest.approx([MADE[name][1]] * 3)
    assert float(found.lonely) == 0
    plan, own = found.plan, (z * leaf[:3].detach()).sum(1) / TAU
    for i in range(3):
        logits = [
            float(z[i] @ found.contrasts.z[k]) / TAU + log_weight(plan, i, k)
            for k in range(len(found.contrasts))
            if k != i
        ]
        expected = torch.tensor(logits, dtype=torch.float64).logsumexp(0) - own[i]
        torch.testing.assert_close(found.loss[i].detach(), expected, atol=1e-10, rtol=0)
