"""Any selector, balanced over classes, by hand."""

from __future__ import annotations

import logging
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supcon_ext.losses import PairTile, Rows
from supcon_ext.selectors.agreement import equal_number_per_class
from supcon_ext.selectors.balance import Balance, number_per_class
from supcon_ext.selectors.base import Role, SampleBank, selector
from supcon_ext.selectors.confident_pairs import ConfidentPairs
from tests.selectors.fixed import Fixed

LABEL = torch.tensor([0] * 8 + [1] * 4 + [2] * 2)
SCORE = [8.0, 7, 6, 5, 4, 3, 2, 1, 4, 3, 2, 1, 2, 1]
TRUST = [1.0] * 6 + [0] * 2 + [1, 1, 0, 0] + [1, 0]


def bank() -> SampleBank:
    return SampleBank(torch.arange(14), LABEL, 4)


@pytest.mark.parametrize(
    ("per_class", "fraction", "kept"),
    [
        ("equal", 0.0, [1, 1, 1]),
        ("equal", 0.5, [2, 2, 2]),
        ("equal", 1.0, [6, 4, 2]),
        ("proportional", 0.0, [4, 2, 1]),
        ("proportional", 1.0, [6, 3, 1]),
        ("threshold", 0.5, [6, 2, 1]),
    ],
)
def test_the_best_of_each_class(
    per_class: Literal["equal", "proportional", "threshold"], fraction: float, kept: list[int]
) -> None:
    made = Balance(Fixed(TRUST, score=SCORE), per_class, fraction).refresh(bank(), 0)
    assert made is not None
    starts = [0, 8, 12]
    best = [s + i for s, n in zip(starts, kept, strict=True) for i in range(n)]
    assert (made.trust > 0.5).nonzero()[:, 0].tolist() == best
    assert made.ranking.tolist() == SCORE
    assert made.stats["kept"] == sum(kept)
    assert made.stats["trusted_inside"] == 9


@pytest.mark.parametrize(("fraction", "number"), [(0, 1), (0.25, 1), (0.5, 2), (0.75, 3), (1, 4)])
def test_the_fractile(fraction: float, number: int) -> None:
    trusted, size = torch.tensor([4, 2, 3, 1, 0]), torch.tensor([5, 5, 5, 5, 0])
    assert number_per_class(trusted, size, "equal", fraction).tolist() == [number] * 4 + [0]


def test_a_share_is_not_rounded_off_by_its_binary_form() -> None:
    trusted, size = torch.tensor([7, 7]), torch.tensor([10, 10])
    assert number_per_class(trusted, size, "proportional", 0.5).tolist() == [7, 7]


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 4), st.booleans()), min_size=2, max_size=30
    ),
    st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
)
def test_equal_is_the_rule_of_agreement(rows: list[tuple[int, int, bool]], fraction: float) -> None:
    label = torch.tensor([r[0] for r in rows])
    loss = torch.tensor([float(r[1]) for r in rows])
    agrees = torch.tensor([r[2] for r in rows])
    inner = Fixed(agrees.float().tolist(), score=(-loss).tolist())
    data = SampleBank(torch.arange(len(rows)), label, 3)
    found = Balance(inner, "equal", fraction).refresh(data, 0)
    assert found is not None
    expected = equal_number_per_class(loss, label, 3, agrees, fraction)
    assert torch.equal(found.trust > 0.5, expected)


def test_soft_trust_roles_and_dropped_samples() -> None:
    label = torch.tensor([0, 0, 0, 1, 1, 1])
    unlabelled, dropped = int(Role.UNLABELLED), int(Role.DROPPED)
    inner = Fixed(
        [0.9, 0.8, 0.7, 0.6, 0.3, 0.9],
        score=[3, 2, 1, 2, 1, 9],
        role=[0, 0, 0, 0, unlabelled, dropped],
    )
    found = Balance(inner, fraction=0.0).refresh(SampleBank(torch.arange(6), label, 2), 0)
    assert found is not None
    assert found.trust.tolist() == pytest.approx([0.9, 0.8, 0, 0.6, 1, 0])
    assert found.role.tolist() == [0, 0, 0, 0, 0, dropped]


def test_it_counts_corrected_labels() -> None:
    inner = Fixed([1, 1, 1, 1], label=[0, 1, 1, 1])
    found = Balance(inner, fraction=0.0).refresh(
        SampleBank(torch.arange(4), torch.tensor([0, 0, 0, 1]), 2), 0
    )
    assert found is not None
    assert found.trust.tolist() == [1, 1, 0, 0]
    assert found.label.tolist() == [0, 1, 1, 1]


def test_nobody_trusted_and_an_inner_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = Balance(Fixed([0] * 14, score=SCORE)).refresh(bank(), 0)
    assert found is not None
    assert (found.trust > 0.5).nonzero()[:, 0].tolist() == [0, 8, 12]
    assert "one of each class" in caplog.text
    assert Balance("label").refresh(bank(), 0) is None


def test_ties_go_to_the_smaller_index() -> None:
    found = Balance(Fixed([1] * 8 + [0] * 6, score=[1] * 14), fraction=0.5).refresh(bank(), 0)
    assert found is not None
    assert (found.trust > 0.5).nonzero()[:, 0].tolist() == [0, 8, 12]


def test_pairs_and_state_are_the_inner_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.nn.functional.normalize(torch.randn(30, 4, generator=generator), dim=1)
    data = SampleBank(torch.arange(30), torch.arange(30) % 3, 3, z=z)
    made, inner = Balance(ConfidentPairs(5), fraction=0.0), ConfidentPairs(5)
    found = made.refresh(data, 0)
    inner.refresh(data, 0)
    assert found is not None
    views = Rows.of(z, found.label, trust=found.trust)
    tile = PairTile(views, views, z @ z.T)
    assert torch.equal(made.targets(tile), inner.targets(tile))
    assert made.requires == {"z"} and made.provides == {"posterior"}
    other = Balance(ConfidentPairs(5))
    other.load_state_dict(made.state_dict())
    assert torch.equal(other.targets(tile), made.targets(tile))


def test_a_recipe_balances_any_selector() -> None:
    value = {
        "kind": "balance",
        "inner": {"kind": "all_of", "members": ["random_k", "knn_agreement"]},
        "per_class": "proportional",
        "fraction": 0.25,
    }
    made = selector.spec(value).build()
    assert made.requires == {"z"}
    assert made.inner.members[0].fraction == 0.5
    views = Rows.of(torch.eye(4), torch.tensor([0, 0, 1, 1]))
    assert made.inner.members[0].factors(views) is not None
    assert Balance(Fixed([1])).factors(views) is not None
