"""ProMix's class-wise selection by hand, its ties and small classes, and confident labels."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.promix import PromixCss, smallest_per_class
from tests.selectors.scenes import SCENES, bits, scene


def bank(loss: torch.Tensor, label: torch.Tensor, classes: int) -> SampleBank:
    return SampleBank(torch.arange(len(loss)), label, classes, loss=loss)


def test_by_hand() -> None:
    """ceil(.5 * 9 / 2) = 3 of each class, though class 0 holds the five smallest losses."""
    loss = torch.tensor([0.5, 0.1, 0.3, 0.2, 0.4, 2.0, 1.0, 3.0, 4.0])
    label = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1])
    made = PromixCss().select(bank(loss, label, 2), 0)
    assert made.trust.tolist() == [0, 1, 1, 1, 0, 1, 1, 1, 0]
    assert made.stats == {"confident": 6.0, "by_confidence": 0.0}
    assert torch.equal(made.ranking, -loss)


def test_a_small_class_is_kept_whole_and_an_empty_one_counts() -> None:
    loss = torch.arange(8.0)
    label = torch.tensor([0, 0, 0, 0, 0, 0, 0, 2])
    kept = smallest_per_class(loss, label, 4, 1.0)  # 8 / 4 = 2 of each
    assert kept.tolist() == [True, True] + [False] * 5 + [True]


@pytest.mark.parametrize(
    ("fraction", "samples", "number"), [(0.1, 30, 3), (0.11, 30, 4), (1e-3, 30, 1), (1.0, 30, 30)]
)
def test_the_number_is_rounded_up(fraction: float, samples: int, number: int) -> None:
    """0.1 * 30 in floating point is above 3."""
    kept = smallest_per_class(torch.arange(30.0), torch.zeros(30).long(), 1, fraction)
    assert kept.tolist() == [True] * number + [False] * (samples - number)


def test_confident_labels_are_kept_too() -> None:
    probability = torch.tensor([0.999, 0.995, 0.991, 0.989, 0.5, 0.4])
    label = torch.zeros(6).long()
    made = PromixCss(fraction=0.3).select(bank(-probability.log(), label, 1), 0)
    assert made.trust.tolist() == [1, 1, 1, 0, 0, 0]
    assert made.stats == {"confident": 3.0, "by_confidence": 1.0}
    strict = PromixCss(fraction=0.3, confidence=1.0)
    assert strict.select(bank(-probability.log(), label, 1), 0).trust.sum() == 2
    loose = PromixCss(fraction=0.3, confidence=0.45)
    assert loose.select(bank(-probability.log(), label, 1), 0).trust.sum() == 5


def test_ties_go_to_the_smaller_index() -> None:
    loss = torch.tensor([2.0, 1.0, 1.0, 1.0, 1.0, 2.0])
    label = torch.zeros(6).long()
    expected = [False, True, True, True, False, False]
    assert smallest_per_class(loss, label, 1, 0.5).tolist() == expected
    order = torch.tensor([5, 3, 1, 4, 2, 0])  # equal losses change places
    assert smallest_per_class(loss[order], label, 1, 0.5).tolist() == expected


def test_constant_losses_keep_all(caplog: pytest.LogCaptureFixture) -> None:
    made = PromixCss().select(bank(torch.full((6,), 1.5), torch.arange(6) % 2, 2), 0)
    assert made.trust.tolist() == [1] * 6 and "keeping every sample" in caplog.text


@given(
    st.lists(st.tuples(st.floats(0, 9, width=32), st.integers(0, 3)), min_size=1, max_size=40),
    st.floats(0.05, 1.0),
)
@settings(max_examples=50, deadline=None)
def test_each_class_keeps_its_smallest(rows: list[tuple[float, int]], fraction: float) -> None:
    loss, label = torch.tensor([r[0] for r in rows]), torch.tensor([r[1] for r in rows])
    kept = smallest_per_class(loss, label, 4, fraction)
    number = math.ceil(fraction * len(rows) / 4 - 1e-9)
    for class_ in range(4):
        mine = label == class_
        assert (kept & mine).sum() == min(number, int(mine.sum()))
        if (kept & mine).any() and (~kept & mine).any():
            assert loss[kept & mine].max() <= loss[~kept & mine].min()


# Justherozen/ProMix 40d8378, Train_promix.py: `eval_train` with rho 0.5, and then its rule of a
# batch with tau 0.7; `eval_train` alone with rho 0.3.
PROMIX_KEEPS = {
    "balanced 0": (
        "100011011110100011010011101001100111100110010101001010101101",
        "100010000110100001010011000001100010100010010001001010100100",
    ),
    "balanced 1": (
        "100111110001010001001001111001100110001011101011001111001101",
        "100111010000000001001001011000100100001011000000001101001001",
    ),
    "balanced 2": (
        "001011000110111111000111100100010110101010110110001110001101",
        "001001000110001101000101100000000110001000110110001010001000",
    ),
    "long tail": (
        "00001110010000111100100100111010110100101111111111",
        "00001000010000110000000100010010110000001010101111",
    ),
    "class of one": (
        "1110001011010101010011110001011111001010111",
        "0000000010010001010001110001010111001000011",
    ),
    "one class": ("11111111111111011111", "01000000000001000010"),
}


@pytest.mark.parametrize("name", SCENES)
def test_the_authors_selection(name: str) -> None:
    known = scene(name)
    both, ranked = PROMIX_KEEPS[name]
    assert bits(PromixCss(0.5, 0.7).select(known, 0).trust) == both
    assert bits(PromixCss(0.3, 1.0).select(known, 0).trust) == ranked
