"""Labels that many images of another class carry: found by their counts, and not believed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.datasets import load_digits
from torch.nn import functional

from supcon_ext.audit.two_witnesses import judge
from supcon_ext.selectors.base import PositiveSelector, SampleBank
from supcon_ext.selectors.confident_pairs import ConfidentPairs
from supcon_ext.selectors.flips import flipped, surely_at_least
from supcon_ext.selectors.two_witnesses import TwoWitnesses, hear

X, TRUE = load_digits(return_X_y=True)
FACTOR = 10


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))]


def drawn(seed: int, rate: float, target: np.ndarray | None) -> tuple[torch.Tensor, ...]:
    """Digits of 150 down to 15 a class, some with the label of a target class, or of any."""
    random = np.random.default_rng(seed)
    size = np.round(150 * FACTOR ** (-np.arange(10) / 9)).astype(int)
    kept = np.concatenate(
        [random.permutation(np.flatnonzero(TRUE == each))[: size[each]] for each in range(10)]
    )
    true = TRUE[kept]
    any_class = random.integers(0, 10, len(true))
    other = any_class if target is None else target[true]
    label = np.where(random.random(len(true)) < rate, other, true)
    return torch.from_numpy(X[kept]).float(), torch.from_numpy(label), torch.from_numpy(true)


INTO_THE_NEXT = np.roll(np.arange(10), 1)  # class 0's images under the name of class 9, the rarest


def a_bank(x: torch.Tensor, label: torch.Tensor) -> SampleBank:
    z = functional.normalize(x, dim=1)
    return SampleBank(torch.arange(len(x)), label, 10, features=x, z=z)


def counts(cells: list[tuple[int, int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    believed = [i for i, _, n in cells for _ in range(n)]
    label = [j for _, j, n in cells for _ in range(n)]
    return torch.tensor(label), torch.tensor(believed)


def test_a_share_of_a_class_is_a_flip_where_it_is_surely_large() -> None:
    label, believed = counts([(0, 0, 60), (0, 1, 40), (1, 1, 90), (1, 0, 10), (2, 2, 4), (2, 0, 1)])
    assert torch.equal(flipped(label, believed, 3), (believed == 0) & (label == 1))


def test_a_label_that_most_of_a_class_carries_is_no_flip() -> None:
    label, believed = counts([(0, 0, 10), (0, 1, 90), (1, 1, 50)])
    assert not flipped(label, believed, 3).any()


@pytest.mark.parametrize("classes", range(2, 12))
def test_half_of_the_labels_drawn_anywhere_are_no_flips(classes: int) -> None:
    """Nor are they of two classes; a label on half of a class is one where there are more."""
    each = 600 // (classes - 1)
    wrong = [(0, j, each) for j in range(1, classes)]
    own = [(i, i, 601) for i in range(classes)]
    label, believed = counts([*own, *wrong])
    assert not flipped(label, believed, classes).any()
    label, believed = counts([*own, (0, 1, 590)])
    assert int(flipped(label, believed, classes).sum()) == 590 * (classes > 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.data())
def test_the_lower_end_is_wilsons(among: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, among))
    lowest = surely_at_least(torch.tensor(float(count)), torch.tensor(float(among)))
    expected = binomtest(count, among).proportion_ci(0.9, "wilson").low
    assert float(lowest) == pytest.approx(expected, abs=1e-4)


def test_only_voters_are_counted() -> None:
    label, believed = counts([(0, 0, 60), (0, 1, 40), (1, 1, 30)])
    order = torch.arange(len(label))
    test = (believed == 0) & (label == 1)
    order = torch.cat([order[~test], order[test]])
    assert not flipped(label[order], believed[order], 4, int((~test).sum())).any()
    assert flipped(label, believed, 4).sum() == 40


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rate", [0.3, 0.4])
def test_the_audit_finds_images_filed_under_a_rare_class(seed: int, rate: float) -> None:
    """Two in five zeros are called nines, of which there are fifteen: weighed, they are nines."""
    x, label, true = drawn(seed, rate, INTO_THE_NEXT)
    bank = a_bank(x, label)
    verdict = judge(bank.neighbours(30), x, label, 10)
    wrong = label != true
    filed = wrong & (label == 9)
    assert verdict.flagged[filed].float().mean() > 0.7
    assert (verdict.suggested[filed] == 0).float().mean() > 0.7
    assert (verdict.suspicion[filed] > 0.5).float().mean() > 0.7


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "chosen",
    [
        pytest.param(TwoWitnesses(soft=False), id="two_witnesses"),
        pytest.param(TwoWitnesses(), id="two_witnesses, soft"),
        pytest.param(
            ConfidentPairs(
                100, per_class="threshold", neighbours_per_class=0.25, balanced_votes=True
            ),
            id="confident_pairs, balanced votes",
        ),
    ],
)
def test_whoever_weighs_votes_by_class_does_not_believe_flips(
    chosen: PositiveSelector, seed: int
) -> None:
    x, label, true = drawn(seed, 0.4, INTO_THE_NEXT)
    made = chosen.refresh(a_bank(x, label), 0)
    filed = (label == 9) & (true == 0)
    assert filed.sum() > 3 * ((label == 9) & (true == 9)).sum()
    assert (made.trust[filed] > 0.5).float().mean() < 0.35
    assert (made.trust[label == true] > 0.5).float().mean() > 0.5


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rate", [0.0, 0.2, 0.4])
def test_errors_that_fall_anywhere_are_no_flips(seed: int, rate: float) -> None:
    x, label, _ = drawn(seed, rate, None)
    bank = a_bank(x, label)
    assert not hear(bank.neighbours(250), x, label, 10).flipped.any()
