"""TABASCO: the authors' selections, both measures by hand, the rules, and the guards."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.jsd import jsd_bits
from supcon_ext.selectors.mixtures import two_gaussians
from supcon_ext.selectors.tabasco import (
    TABASCO,
    Tabasco,
    adaptive_centroids,
    by_divergence,
    far_is_right,
    weighted_divergence,
)
from tests.selectors.scenes import SCENES, bits, scene

# What Wakings/TABASCO at 712992b selects (one batch a class, EM as it stands but with
# random_state=0), and the sum of the posteriors of whom it selects.
AUTHORS = {
    "balanced 0": ("100011011110100011010011111111110111111111111101011010101101", 41.99999),
    "balanced 1": ("110111111011111001001011011000101110001011101111011101000101", 36.77845),
    "balanced 2": ("011001000111111101000101010000011111111111111110011110011111", 36.53624),
    "long tail": ("00001110111111011110010101110010110100100010100111", 26.48088),
    "class of one": ("1110101010110111010100011100111111001110110", 26.57340),
}
# The same for `polluted`, of whose last class here are the 12 wrong and the 4 right labels; how
# many are selected in all; and the posteriors' sum.
POLLUTED = {
    0: ("0000000000001111", 38, 34.84521),
    1: ("0000000000001111", 61, 55.29912),
    2: ("1111111111110000", 80, 73.18025),
    3: ("0000000000001111", 75, 71.64969),
}


def polluted(seed: int) -> SampleBank:
    """Three classes of 30, all right, and a fourth of 16 labels, 12 of which are of the first."""
    random = np.random.default_rng(seed)
    truth = np.repeat([0, 1, 2, 0, 3], [30, 30, 30, 12, 4])
    label = np.repeat([0, 1, 2, 3, 3], [30, 30, 30, 12, 4])
    features = 3 * np.eye(4, 8)[truth] + random.normal(0, 0.5, (106, 8))
    logits = 2 * np.eye(4)[truth] + random.normal(0, 0.5, (106, 4))
    return SampleBank(
        torch.arange(106),
        torch.from_numpy(label),
        4,
        features=torch.from_numpy(features).float(),
        logits=torch.from_numpy(logits).float(),
    )


@pytest.mark.parametrize("name", list(AUTHORS))
def test_the_authors_selection(name: str) -> None:
    kept, mass = AUTHORS[name]
    made = Tabasco(start="k_means").select(scene(name), 0)
    assert bits(made.trust) == kept
    assert made.score is not None
    assert (made.score * made.trust).sum().item() == pytest.approx(mass, abs=1e-4)


@pytest.mark.parametrize("seed", list(POLLUTED))
def test_the_authors_selection_of_a_polluted_class(seed: int) -> None:
    kept, number, mass = POLLUTED[seed]
    made = Tabasco(start="k_means").select(polluted(seed), 0)
    assert bits(made.trust)[90:] == kept
    assert made.trust.sum() == number and made.score is not None
    assert (made.score * made.trust).sum().item() == pytest.approx(mass, abs=1e-3)
    assert made.stats["by_far"] == (seed != 2)  # what is far from the centroid is right
    best = Tabasco().select(polluted(seed), 0)
    assert bits(best.trust)[90:] == kept


def test_from_the_best_split_it_is_the_authors_in_two_scenes_of_five() -> None:
    differ = {
        name: sum(
            a != b for a, b in zip(bits(Tabasco().select(scene(name), 0).trust), kept, strict=True)
        )
        for name, (kept, _) in AUTHORS.items()
    }
    assert differ == {
        "balanced 0": 0,
        "balanced 1": 0,
        "balanced 2": 10,
        "long tail": 9,
        "class of one": 6,
    }


def test_weighted_divergence_by_hand() -> None:
    """Of class 0 the mean is (.5, .5), so no weight above 1; of class 1 it is (.6, .4): 1.5."""
    probability = torch.tensor([[0.8, 0.2], [0.2, 0.8], [0.9, 0.1], [0.3, 0.7]]).double()
    label = torch.tensor([0, 0, 1, 1])
    weight = torch.tensor([1.0, 1.0, 1.5, 1.0]).double()
    expected = weight * jsd_bits(probability, label)
    torch.testing.assert_close(weighted_divergence(probability, label), expected)
    p, q = 0.1, (0.1 + 1) / 2
    plain = (0.9 * math.log2(2) + p * math.log2(p / q) - math.log2(q)) / 2
    assert expected[2].item() == pytest.approx(1.5 * plain)


def test_the_adaptive_centroid_is_that_of_the_class_mostly_predicted() -> None:
    """Labels of class 0 that are predicted 1, but for one: the surest of 1 make the centroid."""
    probability = torch.tensor([[0.1, 0.9], [0.45, 0.55], [0.8, 0.2], [0.4, 0.6]]).double()
    unit = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1]]).double()
    label = torch.tensor([0, 0, 0, 1])
    centroid, number = adaptive_centroids(unit, probability, label)
    # the mean is (.45, .55); 0.9 is raised by 0.9 / 0.55, to 1.4727: the bar is 0.7409
    assert centroid.tolist() == [[1, 0], [0, -1]] and number.tolist() == [1, 1]


@pytest.mark.parametrize("far", ["11110000", "00001111"])
def test_a_centroid_that_separates_divergence_is_heard(far: str) -> None:
    """One part of small divergence, one of large, as wide as each other."""
    divergence = torch.tensor([0.0, 0.02, 0.04, 0.06, 0.94, 0.96, 0.98, 1.0]).double()
    fitted = two_gaussians(divergence, TABASCO)
    assert fitted is not None
    assert not by_divergence(fitted, divergence, torch.tensor([bit == "1" for bit in far]))
    for nothing in (torch.ones(8, dtype=torch.bool), torch.zeros(8, dtype=torch.bool)):
        assert by_divergence(fitted, divergence, nothing)


def test_a_centroid_that_does_not_separate_divergence_is_not_heard() -> None:
    """Both parts are of large divergence; or the part of large divergence is much narrower."""
    divergence = torch.tensor([0.0, 0.8, 0.85, 0.9, 0.95, 1.0]).double()
    fitted = two_gaussians(divergence, TABASCO)
    assert fitted is not None
    assert by_divergence(fitted, divergence, torch.tensor([1, 1, 1, 0, 0, 0]) > 0)
    assert by_divergence(fitted, divergence, torch.tensor([0, 1, 1, 1, 0, 0]) > 0)
    wide = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.97, 0.98, 0.99, 1.0]).double()
    fitted = two_gaussians(wide, TABASCO)
    assert fitted is not None
    assert by_divergence(fitted, wide, torch.tensor([1, 1, 1, 1, 0, 0, 0, 0]) > 0)


def test_the_far_part_is_right_where_the_centroid_is_a_larger_class_s() -> None:
    centroid = torch.tensor([[1.0, 0], [0.99, 0.05], [0, 1]]).double()
    assert far_is_right(centroid, torch.tensor([9, 4, 4]), 1)
    assert not far_is_right(centroid, torch.tensor([9, 4, 4]), 0)  # it is the larger one
    assert not far_is_right(centroid, torch.tensor([4, 4, 4]), 1)
    assert not far_is_right(centroid, torch.tensor([9, 4, 4]), 2)  # no other is as near
    assert not far_is_right(centroid, torch.tensor([0, 4, 4]), 1)  # the other has no samples


@pytest.mark.parametrize("start", ["best_split", "k_means"])
@pytest.mark.parametrize("name", SCENES)
def test_a_class_without_labels_changes_nothing(name: str, start: str) -> None:
    bank = scene(name)
    new = torch.arange(bank.classes) + (torch.arange(bank.classes) >= 1)
    logits = torch.full((len(bank), bank.classes + 1), -100.0)
    logits[:, new] = bank.need("logits")
    gapped = replace(bank, label=new[bank.label], classes=bank.classes + 1, logits=logits)
    before, after = (Tabasco(start=start).select(k, 0) for k in (bank, gapped))  # type: ignore[arg-type]
    assert torch.equal(before.trust, after.trust)
    assert before.score is not None and after.score is not None
    torch.testing.assert_close(before.score, after.score, atol=1e-5, rtol=0)


def test_one_measure_that_says_nothing_leaves_the_other() -> None:
    bank = polluted(0)
    for name in ("features", "logits"):
        flat = torch.ones_like(bank.need(name))
        made = Tabasco().select(replace(bank, **{name: flat}), 0)
        assert 0 < made.trust.sum() < len(bank) and made.stats["classes_kept_whole"] == 0


def test_measures_that_say_nothing_keep_all(caplog: pytest.LogCaptureFixture) -> None:
    label = torch.arange(6) % 2
    bank = SampleBank(torch.arange(6), label, 3, features=torch.ones(6, 3), logits=torch.ones(6, 3))
    made = Tabasco().select(bank, 0)
    assert made.trust.tolist() == [1] * 6 and made.stats["classes_kept_whole"] == 2
    assert "trusted whole" in caplog.text


def test_a_class_of_one_is_kept() -> None:
    bank = polluted(0)
    alone = replace(bank, label=torch.where(torch.arange(106) == 5, 4, bank.label), classes=5)
    logits = torch.cat([bank.need("logits"), torch.zeros(106, 1)], 1)
    made = Tabasco().select(replace(alone, logits=logits), 0)
    assert made.trust[5] == 1 and made.score is not None and made.score.isfinite().all()
