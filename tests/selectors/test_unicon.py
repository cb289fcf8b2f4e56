"""UNICON's uniform rule by hand."""

from __future__ import annotations

import logging
import math

import pytest
import torch

from supcon_ext.selectors.base import Role, SampleBank
from supcon_ext.selectors.jsd import jsd_bits
from supcon_ext.selectors.unicon import JUST_TRUSTED, Unicon, cut_off
from tests.selectors.scenes import SCENES, bits, scene


def bank(given_probability: list[float], label: list[int], classes: int) -> SampleBank:
    """Both networks give the label this probability, and the next class the rest."""
    own, given = torch.tensor(given_probability, dtype=torch.float64), torch.tensor(label)
    p = torch.zeros(len(label), classes, dtype=torch.float64)
    rows = torch.arange(len(label))
    p[rows, given] = own
    p[rows, (given + 1) % classes] = 1 - own
    return SampleBank(rows, given, classes, logits=p.log(), peer_logits=p.log())


def test_each_class_keeps_the_same_number_wherever_the_smallest_are() -> None:
    # class 0 holds the four smallest: R = .5 of 8 gives two of each
    data = bank([0.99, 0.98, 0.97, 0.96, 0.2, 0.1, 0.3, 0.05], [0] * 4 + [1] * 4, 2)
    found = Unicon().refresh(data, 0)
    assert found.stats["share_below"] == 0.5
    assert (found.trust > 0.5).nonzero()[:, 0].tolist() == [0, 1, 4, 6]
    unlabelled = [int(r) == Role.UNLABELLED for r in found.role]
    assert unlabelled == [False, False, True, True, False, True, False, True]
    assert found.trust[[2, 3]].tolist() == [0, 0]


def test_trust_is_one_where_d_is_small_and_just_enough_where_it_is_not() -> None:
    data = bank([0.99, 0.98, 0.97, 0.96, 0.2, 0.1, 0.3, 0.05], [0] * 4 + [1] * 4, 2)
    d = jsd_bits(data.need("logits").exp(), data.label)
    found = Unicon().refresh(data, 0)
    assert found.trust[[0, 1]].tolist() == [1, 1]
    assert float(d[4]) > 0.5 > float(d[6])
    assert found.trust[[4, 6]].tolist() == pytest.approx([JUST_TRUSTED, 1])
    torch.testing.assert_close(found.ranking, (1 - d).float())


def test_a_class_of_one_gives_one_and_no_other_is_taken_in_its_place() -> None:
    data = bank([0.1, 0.9, 0.95, 0.92, 0.3, 0.94, 0.9, 0.15, 0.1], [0] * 4 + [1] * 4 + [2], 4)
    found = Unicon().refresh(data, 0)
    kept = found.trust > 0.5
    assert found.stats["per_class"] == 1
    assert torch.bincount(data.label[kept], minlength=4).tolist() == [1, 1, 1, 0]
    assert not kept[0]


def test_the_cut_off_is_lowered_where_the_mean_is_high() -> None:
    assert cut_off(torch.tensor([0.2, 0.4])) == pytest.approx(0.3)
    assert cut_off(torch.tensor([0.5, 0.9, 1.0, 1.0])) == pytest.approx(0.85 - 0.35 / 5)
    assert cut_off(torch.tensor([0.5, 0.9, 1.0, 1.0]), 0.9) == pytest.approx(0.85)


def test_equal_scores_go_by_index() -> None:
    data = bank([0.9] * 6 + [0.01] * 2, [0, 1, 0, 1, 0, 1, 0, 1], 2)
    found = Unicon().refresh(data, 0)
    assert found.stats["per_class"] == 3
    data = bank([0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.01, 0.01], [0, 0, 0, 0, 0, 0, 1, 1], 2)
    found = Unicon().refresh(data, 0)
    assert (found.trust > 0.5).nonzero()[:, 0].tolist() == [0, 1, 2, 6, 7]


def test_constant_divergence_and_too_few_below(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = Unicon().refresh(bank([0.3] * 4, [0, 0, 1, 1], 2), 0)
    assert found.trust.tolist() == [1] * 4
    assert found.role.tolist() == [Role.LABELLED] * 4
    with caplog.at_level(logging.WARNING):
        found = Unicon().refresh(bank([0.9, 0.1, 0.1, 0.1], [0, 1, 2, 2], 3), 0)
    assert (found.trust > 0.5).tolist() == [True, True, True, False]
    assert "one of each" in caplog.text


# nazmul-karim170/UNICON-Noisy-Label 616dc49, `Calculate_JSD` and the cut-off of Train_cifar.py,
# uniform selection of dataloader_cifar.py: who is taken, the divergence of the first five in nats,
# the cut-off in nats and the share below it.
UNICON_TAKES: dict[str, tuple[str, list[float], float, float]] = {
    "balanced 0": (
        "100011010110101011010001011011110110101110000101001010101101",
        [0.056876, 0.364392, 0.253008, 0.480832, 0.17662],
        0.224750,
        0.583333,
    ),
    "balanced 1": (
        "110111011001011101001011111001101111001011101110011101011111",
        [0.031388, 0.131854, 0.465983, 0.125331, 0.085531],
        0.208069,
        0.700000,
    ),
    "balanced 2": (
        "001011000110111101111111101110010110101111110110001110111101",
        [0.396155, 0.433576, 0.052352, 0.455666, 0.19428],
        0.206594,
        0.666667,
    ),
    "long tail": (
        "11001111010001111101000110000010110101101111111111",
        [0.595641, 0.434488, 0.162293, 0.110575, 0.264102],
        0.221785,
        0.660000,
    ),
    "class of one": (
        "1000001000000101010001010101011111001010011",
        [0.089019, 0.139538, 0.146462, 0.380281, 0.271986],
        0.191005,
        0.511628,
    ),
    "one class": (
        "11000001001001001010",
        [0.058356, 0.027154, 0.050319, 0.049191, 0.032368],
        0.054643,
        0.650000,
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_the_authors_selection(name: str) -> None:
    """Their list has a place for each class's number, and those left over hold sample 0."""
    taken, nats, limit, below = UNICON_TAKES[name]
    made = Unicon().refresh(scene(name), 0)
    d = (1 - made.ranking[: len(nats)]) * math.log(2)
    torch.testing.assert_close(d, torch.tensor(nats), atol=2e-6, rtol=0)
    assert made.stats["cut_off"] * math.log(2) == pytest.approx(limit, abs=2e-6)
    assert made.stats["share_below"] == pytest.approx(below, abs=1e-6)
    kept = bits(made.trust)
    assert kept[1:] == taken[1:]
    assert (kept[0] == taken[0]) == (name not in ("long tail", "one class"))
