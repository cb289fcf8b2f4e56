"""The control keeps its share of each class, by seed and epoch alone."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.per_class import rank_in_class
from supcon_ext.selectors.random_k import RandomK


def bank(label: torch.Tensor, classes: int) -> SampleBank:
    return SampleBank(torch.arange(len(label)), label, classes)


@pytest.mark.parametrize(
    ("fraction", "kept"), [(0.5, [5, 2, 1]), (0.25, [3, 1, 1]), (1.0, [10, 4, 1])]
)
def test_the_share_of_each_class(fraction: float, kept: list[int]) -> None:
    label = torch.tensor([0] * 10 + [1] * 4 + [3])
    found = RandomK(fraction).refresh(bank(label, 5), 0)
    counts = torch.bincount(label[found.trust > 0.5], minlength=5)
    assert counts.tolist() == [kept[0], kept[1], 0, kept[2], 0]


def test_seed_and_epoch_decide() -> None:
    data = bank(torch.arange(200) % 4, 4)
    first = RandomK(seed=3).refresh(data, 1).trust
    assert torch.equal(first, RandomK(seed=3).refresh(data, 1).trust)
    assert not torch.equal(first, RandomK(seed=4).refresh(data, 1).trust)
    assert not torch.equal(first, RandomK(seed=3).refresh(data, 2).trust)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_ranks_within_classes_by_score_and_index(rows: list[tuple[int, int]]) -> None:
    score = torch.tensor([float(s) for s, _ in rows])
    label = torch.tensor([c for _, c in rows])
    expected = [
        sum(
            1 for j, (s, c) in enumerate(rows) if c == own and (s > value or (s == value and j < i))
        )
        for i, (value, own) in enumerate(rows)
    ]
    assert rank_in_class(score, label).tolist() == expected
