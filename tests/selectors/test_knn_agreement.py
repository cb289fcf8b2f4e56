"""Two rounds of votes, then the same number of each class."""

from __future__ import annotations

import logging
from typing import Literal

import pytest
import torch

from supcon_ext.selectors.agreement import Agreement
from supcon_ext.selectors.base import SampleBank
from supcon_ext.selectors.knn_agreement import KnnAgreement
from tests.selectors.scenes import SCENES, scene


def clusters() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    center = torch.eye(3)[:2].repeat_interleave(4, 0)
    return (
        center + 0.01 * torch.randn(8, 3, generator=generator),
        torch.tensor([0, 0, 0, 1, 1, 1, 1, 0]),
    )


def bank(z: torch.Tensor, label: torch.Tensor, classes: int) -> SampleBank:
    return SampleBank(torch.arange(len(z)), label, classes, z=z)


def test_two_clusters_by_hand() -> None:
    found = KnnAgreement(3).refresh(bank(*clusters(), 2), 0)
    assert (found.trust > 0.5).tolist() == [True] * 3 + [False] + [True] * 3 + [False]
    expected = torch.full((8,), -0.01005)
    expected[[3, 7]] = -4.60517
    torch.testing.assert_close(found.ranking, expected, atol=1e-5, rtol=0)
    assert found.posterior is not None
    assert found.posterior[3].tolist() == [1, 0]
    assert found.stats["corrected"] == 2


@pytest.mark.parametrize(("per_class", "number"), [("min", 1), ("median", 2), ("max", 4)])
def test_each_class_keeps_the_same_number(
    per_class: Literal["min", "median", "max"], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = torch.arange(4).repeat_interleave(5)
    agrees = torch.zeros(20, dtype=torch.bool)
    for class_, count in enumerate([4, 2, 3, 1]):
        agrees[5 * class_ : 5 * class_ + count] = True
    vote = torch.ones(20, 4) / 4
    voted = Agreement(vote, vote, label, torch.arange(20.0) % 5, agrees)
    monkeypatch.setattr(
        "supcon_ext.selectors.knn_agreement.two_round_agreement", lambda *_, **__: voted
    )
    found = KnnAgreement(1, per_class).refresh(bank(torch.eye(20), label, 4), 0)
    assert (found.trust > 0.5).nonzero()[:, 0].tolist() == [i for i in range(20) if i % 5 < number]


def test_order_does_not_matter() -> None:
    generator = torch.Generator().manual_seed(2)
    z, label = torch.randn(60, 6, generator=generator), torch.arange(60) % 4
    order = torch.randperm(60, generator=generator)
    plain = KnnAgreement(7).refresh(bank(z, label, 4), 0)
    moved = KnnAgreement(7).refresh(bank(z[order], label[order], 4), 0)
    torch.testing.assert_close(plain.ranking[order], moved.ranking)
    for found, given in ((plain, label), (moved, label[order])):
        kept = torch.bincount(given[found.trust > 0.5], minlength=4)
        assert len(set(kept.tolist())) == 1


def test_equal_scores_are_kept_by_index() -> None:
    z = torch.ones(12, 2)
    found = KnnAgreement(11).refresh(bank(z, torch.arange(12) % 2, 2), 0)
    kept = (found.trust > 0.5).nonzero()[:, 0].tolist()
    assert kept == list(range(len(kept)))


def test_small_and_empty_classes_and_many_neighbours(caplog: pytest.LogCaptureFixture) -> None:
    z = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    with caplog.at_level(logging.WARNING):
        found = KnnAgreement(250).refresh(bank(z, torch.tensor([0, 0, 0, 0, 0, 2]), 4), 0)
    assert bool(found.trust.isfinite().all() & found.ranking.isfinite().all())
    assert found.trust[5] == 1  # the only one of its class
    assert "smallest class has 1" in caplog.text
    assert "taking 5" in caplog.text


# DiegoOrtego/LabelNoiseMOIT f36c3e7, `LabelNoiseDetection` of utils_noise.py, K 10, labels
# corrected once: of ten votes those for the given label (a for ten), and how many each class keeps
# by min, median and max. Who of a class with equal votes is theirs to chance.
MOIT: dict[str, tuple[str, list[tuple[int, ...]]]] = {
    "balanced 0": (
        "5402aaaaaaa090a08908026598a5780a0998aaa6a99a9576577545665570",
        [(6, 6, 6, 6), (10, 10, 10, 10), (11, 17, 17, 13)],
    ),
    "balanced 1": (
        "a70aaaa7a09a9a955532739579822792587a198169327a89099909067788",
        [(10, 10, 10, 10), (10, 10, 10, 10), (13, 13, 13, 13)],
    ),
    "balanced 2": (
        "65575464417475688aa191aa7aa82509a9967a9a7995aa9400a99a9aaaa8",
        [(7, 7, 7, 7), (10, 12, 12, 12), (10, 14, 15, 15)],
    ),
    "long tail": (
        "00aa0aa0a0aaaaaa0aa00a0aaaaa0872773465447522221112",
        [(0, 0, 0, 0), (0, 0, 0, 0), (21, 8, 6, 12)],
    ),
    "class of one": (
        "aa9087a0a7589aa8980959809aa7606a52465453660",
        [(0, 0, 0, 0), (4, 4, 4, 3), (17, 10, 11, 3)],
    ),
    "one class": ("aaaaaaaaaaaaaaaaaaaa", [(0, 0), (0, 0), (20, 0)]),
}


@pytest.mark.parametrize("name", SCENES)
def test_the_authors_votes_and_numbers(name: str) -> None:
    """But here at least one of each class is kept, and classes without samples do not count."""
    votes, numbers = MOIT[name]
    known = scene(name)
    rules: tuple[Literal["min", "median", "max"], ...] = ("min", "median", "max")
    for rule, number in zip(rules, numbers, strict=True):
        found = KnnAgreement(10, rule, "lower").refresh(known, 0)
        shares = torch.tensor([int(vote, 16) / 10 for vote in votes]).clamp(0.01, 0.99)
        torch.testing.assert_close(found.ranking, shares.log(), atol=1e-5, rtol=0)
        kept = torch.bincount(known.label[found.trust > 0.5], minlength=known.classes)
        if name == "one class":
            number = (20, 0)
        elif max(number) == 0:
            number = (1,) * known.classes
        assert tuple(kept.tolist()) == number


def test_a_median_of_four_classes_lies_halfway_or_is_the_lower() -> None:
    known = scene("balanced 0")  # 10, 17, 13 and 6 agree
    for interpolation, number in (("linear", 11), ("lower", 10)):
        found = KnnAgreement(10, "median", interpolation).refresh(known, 0)
        kept = torch.bincount(known.label[found.trust > 0.5])
        assert kept.tolist() == [number] * 4
