"""Sel-CL's selection beside the authors' program: ShikunLi/Sel-CL 98cc41e, `pair_selection`.

Of utils/utils_noise.py, K 10, all samples in one batch (in smaller ones it takes most samples for a
neighbour of themselves). It does not run where no sample of the classes that decide agrees.
"""

from __future__ import annotations

import pytest
import torch

from supcon_ext.losses import PairTile, Rows
from supcon_ext.selectors.confident_pairs import ConfidentPairs, quantile
from tests.selectors.scenes import scene

# Scene, alpha and beta; who is confident (of equal votes some, by chance), threshold and pairs.
SEL_CL = [
    (
        "balanced 0",
        0.5,
        0.25,
        "100011111110101111010100111011010010111011111111011010101110",
        0.395903,
        514,
    ),
    (
        "balanced 0",
        0.75,
        0.35,
        "110011111110101111111110111011011111111111111111011111111111",
        0.321059,
        708,
    ),
    (
        "balanced 0",
        0.25,
        0.0,
        "000011111110101011010100111001010010111010111111011010101110",
        -0.152984,
        716,
    ),
    (
        "balanced 1",
        0.5,
        0.25,
        "100111101001111101001011111001101111011011001111011101011011",
        0.473125,
        468,
    ),
    (
        "balanced 1",
        0.75,
        0.35,
        "100111101011111101001011111001101111011011101111011101111111",
        0.496011,
        508,
    ),
    (
        "balanced 1",
        0.25,
        0.0,
        "100111101001111101001011111001101111011011001111011101011011",
        -0.040826,
        688,
    ),
    (
        "balanced 2",
        0.5,
        0.25,
        "001011000110111111111011111111011110111111101110001111111111",
        0.473857,
        558,
    ),
    (
        "balanced 2",
        0.75,
        0.35,
        "001111100110111111111111111111111111111111111110001111111111",
        0.45945,
        680,
    ),
    (
        "balanced 2",
        0.25,
        0.0,
        "001011000110111111111011011110011110011101101110001111011110",
        -0.38991,
        850,
    ),
    ("long tail", 0.75, 0.35, "01000001000000010111111101111010110101101111111111", 0.544923, 396),
    ("class of one", 0.5, 0.25, "1000001010000100000000011110010110010000111", 0.63244, 178),
    ("class of one", 0.75, 0.35, "1111001110011110101111111111111111011110111", 0.45818, 410),
    ("class of one", 0.25, 0.0, "1000001000000100000000010110010100010000111", -0.442581, 540),
    ("one class", 0.75, 0.35, "01111100001111111111", 0.502036, 302),
    ("one class", 0.25, 0.0, "00000000000111110000", 0.417295, 278),
]
CASE = ("name", "fraction", "pair_fraction", "kept", "threshold", "pairs")


@pytest.mark.parametrize(CASE, SEL_CL)
def test_the_authors_numbers(
    name: str, fraction: float, pair_fraction: float, kept: str, threshold: float, pairs: int
) -> None:
    """As many of each class; theirs are of the votes of ours, one by one, where these differ."""
    known = scene(name)
    theirs = torch.tensor([one == "1" for one in kept])
    rule = ConfidentPairs(
        10, fraction, pair_fraction, interpolation="lower" if fraction == 0.5 else "linear"
    )
    made = rule.refresh(known, 0)
    ours = made.trust > 0.5
    if name == "one class":  # they count the class without samples
        assert ours.all() and theirs.sum() == int(20 * fraction)
        return
    for class_ in range(known.classes):
        members = known.label == class_
        votes = made.ranking[members & ours].sort().values
        assert torch.equal(votes, made.ranking[members & theirs].sort().values)


@pytest.mark.parametrize(CASE, SEL_CL)
def test_the_authors_threshold_and_pairs(
    name: str, fraction: float, pair_fraction: float, kept: str, threshold: float, pairs: int
) -> None:
    """Of their confident samples. Their quantile has each pair twice, and each with itself."""
    known = scene(name)
    z, theirs = known.need("z"), torch.tensor([one == "1" for one in kept])
    rule = ConfidentPairs(10)
    found = torch.cat(rule._confident_similarities(z, known.label, theirs, known.classes, 0))
    every = torch.cat([found, found, torch.ones(int(theirs.sum()))])
    assert quantile(every, pair_fraction).item() == pytest.approx(threshold, abs=2e-6)
    assert quantile(found, pair_fraction) <= quantile(every, pair_fraction)
    rule.z, rule.threshold = z, quantile(every, pair_fraction)[None] - 1e-6
    views = Rows.of(z, known.label, trust=theirs.float())
    positive = rule.targets(PairTile(views, views, z @ z.T)).fill_diagonal_(False)
    assert int(positive.sum()) == pairs
