"""Positives by view, parent, caption and class: T15 and T23 of the specification, exactly."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from supcon_ext import Rows, Source, SupConLoss
from supcon_ext.losses.reference import reference_loss
from supcon_ext.selectors.base import selector
from supcon_ext.testing import check_selector
from supcon_ext.testing.bank import tile

IMAGE = {"class_": 0.0, "caption": 0.0, "parent": 0.0}
CAPTION = {"class_": 0.0, "parent": 0.0}
COLUMNS = {
    "caption": torch.arange(24) // 3 - 1,
    "parent": torch.arange(24) % 10,
    "quality": torch.linspace(0.1, 1, 24),
}


def toy(views=1):
    """Two classes x two captions x two images, all synthetic."""
    count = 8
    generator = torch.Generator().manual_seed(0)
    z = functional.normalize(torch.randn(views * count, 6, generator=generator), dim=1)
    columns = {
        "caption": torch.arange(count) // 2,
        "parent": torch.full((count,), -1),
        "quality": torch.ones(count),
    }
    return Rows.of(
        z,
        (torch.arange(count) // 4).repeat(views),
        index=torch.arange(count).repeat(views),
        source=Source.SYNTHETIC,
        columns={name: column.repeat(views) for name, column in columns.items()},
    )


def targets(rows, **params):
    made = selector.make("synthetic_positives", **params)
    found = made.targets(tile(rows, rows)).float()
    return found * (1 - torch.eye(len(rows)))


@pytest.mark.parametrize(("params", "positives"), [(IMAGE, 0), (CAPTION, 1), ({}, 3)])
def test_granularity(params, positives) -> None:
    """T23: image, caption and class level have 0, 1 and 3 positives of one view each."""
    assert targets(toy(), **params).sum(1).tolist() == [positives] * 8
    assert targets(toy(2), **params).sum(1).tolist() == [2 * positives + 1] * 16


@pytest.mark.parametrize(
    ("policy", "weight"), [("positive", 1.0), ("soft", 0.25), ("negative", 0.0), ("ignored", 0.0)]
)
def test_other_captions(policy, weight) -> None:
    found = targets(toy(), other_caption=policy, soft=0.25)
    assert found[0].tolist() == [0, 1, weight, weight, 0, 0, 0, 0]


def test_ignored_is_the_column_deleted() -> None:
    """T15: the loss of an anchor without the columns of its class's other captions."""
    rows = toy()
    made = selector.make("synthetic_positives", other_caption="ignored")
    loss = SupConLoss(0.5, selector=made, reduction="none")(rows)
    s = (rows.z @ rows.z.T / 0.5).double()
    for anchor in range(8):
        pair = anchor ^ 1
        others = [pair, *(k for k in range(8) if k // 4 != anchor // 4)]
        expected = torch.logsumexp(s[anchor, others], 0) - s[anchor, pair]
        assert math.isclose(float(loss[anchor]), float(expected), abs_tol=1e-5)


def test_parents() -> None:
    """A real image is its own parent: what was made from it is its positive, and one another's."""
    columns = {"parent": torch.tensor([0, 1, 0, 0, 1]), "caption": torch.full((5,), -1)}
    columns["quality"] = torch.tensor([1, 1, 0.5, 0.25, 1])
    rows = replace(
        Rows.of(torch.eye(5), columns=columns), source=torch.tensor([0, 0, 1, 1, 1]).to(torch.int8)
    )
    found = targets(rows, class_=0.0, across=0.5)
    assert found.tolist() == [
        [0, 0, 0.25, 0.125, 0],
        [0, 0, 0, 0, 0.5],
        [0.5, 0, 0, 0.25, 0],
        [0.5, 0, 0.5, 0, 0],
        [0, 0.5, 0, 0, 0],
    ]


def test_join() -> None:
    rows = toy()
    rows = replace(rows, columns={**rows.columns, "parent": torch.zeros(8, dtype=torch.int64)})
    largest = targets(rows, parent=0.25, caption=0.5, class_=0.125)
    total = targets(rows, parent=0.25, caption=0.5, class_=0.125, join="sum")
    assert largest[0].tolist() == [0, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25]
    assert total[0].tolist() == [0, 0.875, 0.375, 0.375, 0.25, 0.25, 0.25, 0.25]


def test_lambda_over_epochs() -> None:
    from supcon_ext.testing.bank import bank

    made = selector.make("synthetic_positives", across=0.0, across_end=1.0, across_epochs=4)
    seen = []
    for epoch in range(6):
        made.refresh(bank(frozenset()), epoch)
        seen.append(made.now)
    assert seen == [0, 0.25, 0.5, 0.75, 1, 1]


def grad_of(rows, made):
    z = rows.z.clone().requires_grad_()
    loss = SupConLoss(0.1, selector=made)(rows.with_z(z))
    loss.backward()
    return loss.detach(), z.grad


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**16), st.floats(0.1, 10))
def test_scaling_all_weights_changes_nothing(seed, factor) -> None:
    """T15: targets are normalised for each anchor."""
    generator = torch.Generator().manual_seed(seed)
    rows = toy(2)
    rows = rows.with_z(functional.normalize(torch.randn(16, 6, generator=generator), dim=1))
    one = selector.make("synthetic_positives", view=1.0, caption=0.5, class_=0.25, parent=0.0)
    other = selector.make(
        "synthetic_positives",
        view=factor,
        caption=0.5 * factor,
        class_=0.25 * factor,
        parent=0.0,
    )
    loss, grad = grad_of(rows, one)
    scaled, scaled_grad = grad_of(rows, other)
    assert torch.allclose(loss, scaled, atol=1e-5)
    assert torch.allclose(grad, scaled_grad, atol=1e-5)


def test_weight_0_is_no_positive() -> None:
    """T15: to the last bit; and all weights equal are none."""
    rows = toy(2)
    without = selector.make("synthetic_positives", class_=0.0)
    zero = selector.make("synthetic_positives", other_caption="soft", soft=0.0)
    assert torch.equal(without.targets(tile(rows, rows)) > 0, zero.targets(tile(rows, rows)) > 0)
    plain = SupConLoss(0.1)(rows)
    equal = SupConLoss(0.1, selector=selector.make("synthetic_positives"))(rows)
    assert torch.allclose(plain, equal, atol=1e-6)


def test_the_multi_positive_loss() -> None:
    """H(p, q) of StableRep by its definition, against captions as the only positives."""
    rows = toy(2)
    made = selector.make("synthetic_positives", **CAPTION)
    s = rows.z.double() @ rows.z.double().T / 0.1
    s.fill_diagonal_(-math.inf)
    same = rows.column("caption")[:, None] == rows.column("caption")[None, :]
    same.fill_diagonal_(False)
    p = same.double() / same.sum(1, keepdim=True)
    expected = -(p * s.log_softmax(1).masked_fill(~same, 0)).sum(1).mean()
    assert torch.allclose(SupConLoss(0.1, selector=made)(rows).double(), expected, atol=1e-6)
    assert torch.allclose(reference_loss(rows, rows, made).double(), expected, atol=1e-6)


@pytest.mark.parametrize(
    "params",
    [
        {},
        CAPTION,
        IMAGE,
        {"other_caption": "soft"},
        {"other_caption": "negative", "across": 0.3},
        {"selector": "confident_pairs", "join": "sum"},
        {"selector": "knn_agreement", "across": 0.0, "across_end": 1.0, "across_epochs": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("columns", [COLUMNS, {}], ids=["with columns", "all real"])
def test_contract(params, columns) -> None:
    check_selector(selector.make("synthetic_positives", **params), columns)


def test_the_cap_on_synthetic_positives() -> None:
    """Of six positives, four synthetic, one synthetic one stays; the real one does not count."""
    rows = Rows.of(functional.normalize(torch.randn(6, 4), dim=1), torch.zeros(6, dtype=torch.long))
    rows = replace(rows, source=torch.tensor([0, 0, 1, 1, 1, 1]).to(torch.int8))
    capped = SupConLoss(0.5, positives_cap=1, cap_of="synthetic", reduction="none")
    details = capped.details(rows)
    assert details.positives.tolist() == [2, 2, 3, 3, 3, 3]
    every = SupConLoss(0.5, positives_cap=1, reduction="none").details(rows)
    assert every.positives.tolist() == [1] * 6
