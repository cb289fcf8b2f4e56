"""Everything that a weighting may say, against the plain formula, in tiles of any size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from supcon_ext.losses import Rows, SupConLoss, WeightPlan
from supcon_ext.losses.counts import trusted_counts
from supcon_ext.losses.reference import reference_anchor_losses
from supcon_ext.losses.rows import WeightingStep
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.losses.tiled import tiled_anchor_losses
from supcon_ext.weightings.base import Weighting


def rows(seed: int, count: int = 11, views: int = 2) -> Rows:
    generator = torch.Generator().manual_seed(seed)
    samples = -(-count // views)
    z = torch.randn(samples * views, 5, generator=generator, dtype=torch.float64)
    label = torch.randint(-1, 3, (samples,), generator=generator).repeat(views)
    trust = torch.rand(samples, generator=generator).repeat(views)
    index = torch.arange(samples).repeat(views)
    return Rows.of(functional.normalize(z, dim=1), label, index=index, trust=trust)


def drawn_plan(seed: int, count: int, chosen: set[str]) -> WeightPlan:
    generator = torch.Generator().manual_seed(seed + 1)

    def vector() -> torch.Tensor:
        return torch.rand(count, generator=generator, dtype=torch.float64) + 0.2

    table = torch.rand(count, 3, generator=generator, dtype=torch.float64)
    parts = {
        "log_column": vector(),
        "log_same": vector(),
        "temperature": vector(),
        "group": torch.randint(-1, 3, (count,), generator=generator),
        "target_own": 3 * vector(),
        "target_column": vector(),
        "table": (table, table + 0.1),
    }
    return WeightPlan(**{name: part for name, part in parts.items() if name in chosen})


NAMES = (
    "log_column",
    "log_same",
    "temperature",
    "group",
    "target_own",
    "target_column",
    "table",
)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(NAMES)), st.integers(0, 10**6), st.sampled_from([1, 3, 5, 64]))
def test_tiles_equal_the_plain_formula(chosen: set[str], seed: int, tile: int) -> None:
    views = rows(seed)
    plan = drawn_plan(seed, len(views), chosen)
    plain_z = views.z.clone().requires_grad_()
    plain, totals = reference_anchor_losses(
        views.with_z(plain_z), views.with_z(plain_z), SameLabel(), plan, 0.3
    )
    plain.sum().backward()
    tiled_z = views.z.clone().requires_grad_()
    tiled, found = tiled_anchor_losses(
        views.with_z(tiled_z), views.with_z(tiled_z), SameLabel(), plan, 0.3, tile=tile
    )
    tiled.sum().backward()
    torch.testing.assert_close(tiled, plain, atol=1e-12, rtol=0)
    torch.testing.assert_close(found, totals, atol=1e-12, rtol=0)
    assert plain_z.grad is not None
    torch.testing.assert_close(tiled_z.grad, plain_z.grad, atol=1e-11, rtol=0)


class Planned(Weighting):
    """A weighting that says what it is told to."""

    def __init__(self, plan: WeightPlan) -> None:
        super().__init__()
        self.said = plan

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        return self.said


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(NAMES)), st.integers(0, 10**6))
def test_every_path_of_the_loss_equals_the_plain_formula(chosen: set[str], seed: int) -> None:
    views = rows(seed)
    plan = drawn_plan(seed, len(views), chosen)
    found = SupConLoss(0.3, weighting=Planned(plan)).details(views)
    plain, _ = reference_anchor_losses(views, views, SameLabel(), plan, 0.3)
    torch.testing.assert_close(found.anchor_losses, plain, atol=1e-9, rtol=0)


def test_counts_are_of_trusted_known_samples_without_prototypes() -> None:
    label = torch.tensor([0, 0, 1, -1, 2])
    views = Rows.of(torch.eye(5), label, trust=torch.tensor([1.0, 0.2, 0.6, 1.0, 0.9]))
    for classes, expected in ((None, [1, 1, 1]), (4, [1, 1, 1, 0])):
        counted = trusted_counts(views, classes)
        assert counted is not None and counted.tolist() == expected
    assert trusted_counts(Rows.of(torch.eye(2))) is None


def test_rejected_pairs_are_negative_or_out_of_the_denominator() -> None:
    class Own:
        def targets(self, pairs):  # type: ignore[no-untyped-def]
            return pairs.same("index")

    generator = torch.Generator().manual_seed(0)
    z = functional.normalize(torch.randn(4, 2, 6, generator=generator), dim=2)
    label = torch.tensor([0, 0, 1, 1])
    negative = SupConLoss(0.5, selector=Own())
    neutral = SupConLoss(0.5, selector=Own(), rejected="neutral")
    flat = z.transpose(0, 1).flatten(0, 1)
    s = (flat @ flat.T / 0.5).exp().fill_diagonal_(0)
    same = label.repeat(2)[:, None] == label.repeat(2)[None, :]
    own = torch.arange(4).repeat(2)[:, None] == torch.arange(4).repeat(2)[None, :]
    positive = (s * own).sum(1)
    torch.testing.assert_close(negative(z, label), (s.sum(1) / positive).log().mean())
    left = (s * (~same | own)).sum(1)
    torch.testing.assert_close(neutral(z, label), (left / positive).log().mean())


def test_a_cap_with_surplus_in_the_denominator_is_kcl() -> None:
    z = torch.randn(12, 2, 6, generator=torch.Generator().manual_seed(0))
    label = torch.arange(12) % 2
    everything = SupConLoss(0.5)(z, label)
    generous = SupConLoss(0.5, positives_cap=100, surplus="negative")(z, label)
    torch.testing.assert_close(generous, everything)  # k at least |P|: SupCon
    kcl = SupConLoss(0.5, positives_cap=3, surplus="negative", reduction="none")
    found = [kcl(z, label, cap_seed=7)]
    tiled = SupConLoss(0.5, positives_cap=3, surplus="negative", reduction="none", tile=5)
    found.append(tiled(z, label, cap_seed=7))
    torch.testing.assert_close(found[0], found[1])  # the same draw in any tiling
    assert not torch.allclose(kcl(z, label, cap_seed=8), found[0])
    unit = functional.normalize(z.transpose(0, 1).flatten(0, 1), dim=1)
    denominator = (unit @ unit.T / 0.5).fill_diagonal_(-torch.inf).logsumexp(1)
    capped = SupConLoss(0.5, positives_cap=0, surplus="negative", reduction="none")(z, label)
    own = (unit * unit.roll(12, 0)).sum(1) / 0.5
    torch.testing.assert_close(capped, denominator - own)


@pytest.mark.parametrize("weight", [[1.0, 0.0, 2.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
def test_weights_of_rows_as_anchors(weight: list[float]) -> None:
    z = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    label, u = torch.tensor([0, 0, 1, 1]), torch.tensor(weight)
    each = SupConLoss(0.5, reduction="none")(z, label)
    found = SupConLoss(0.5).details(z, label, anchor_weight=u).loss
    torch.testing.assert_close(found, (u * each).sum() / u.sum().clamp(min=1e-12))
