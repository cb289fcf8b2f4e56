"""WANN's reliability: against a plain loop, and as trust."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from supcon_ext.selectors.reliability import adaptive_neighbours
from supcon_ext.selectors.wann import Wann
from tests.selectors.scenes import SCENES, scene


def by_loop(cast: np.ndarray, label: np.ndarray, kmin: int, kmax: int) -> list[int]:
    found = []
    for row, own in zip(cast.tolist(), label.tolist(), strict=True):
        number = kmax
        for k in range(kmin, kmax, 2):
            votes = row[:k]
            winner = min(set(votes), key=lambda c: (-votes.count(c), c))
            if winner == own:
                number = k
                break
        found.append(number)
    return found


@pytest.mark.parametrize(("kmin", "kmax"), [(1, 9), (3, 10), (11, 51), (2, 3)])
@pytest.mark.parametrize("columns", [1, 5, 51])
def test_the_number_of_neighbours_is_a_loops(kmin: int, kmax: int, columns: int) -> None:
    random = np.random.default_rng(kmin + columns)
    cast, label = random.integers(0, 4, (80, columns)), random.integers(0, 4, 80)
    found = adaptive_neighbours(torch.tensor(cast), torch.tensor(label), 4, kmin, kmax)
    assert found.tolist() == by_loop(cast, label, kmin, kmax)


@pytest.mark.parametrize("name", SCENES)
def test_trust_is_reliability(name: str) -> None:
    known = scene(name)
    made = Wann(3, 9).select(known, 0)
    cast = known.label[known.neighbours(9, "features").index].numpy()
    number = by_loop(cast, known.label.numpy(), 3, 9)
    assert made.trust.tolist() == pytest.approx([3 / k for k in number])
    assert made.stats["confident"] == sum(k < 6 for k in number)
    assert made.stats["never"] == number.count(9)


def test_wrong_labels_are_trusted_less() -> None:
    known = scene("balanced 0")
    assert known.truth is not None
    trust = Wann(5, 21).select(known, 0).trust
    right = known.label == known.truth
    assert trust[right].median() == 1 and trust[~right].median() == 5 / 21


@pytest.mark.parametrize(("kmin", "kmax"), [(11, 11), (20, 10)])
def test_neighbourhoods_that_do_not_grow(kmin: int, kmax: int) -> None:
    with pytest.raises(ValueError, match="below `kmax`, but got"):
        Wann(kmin, kmax)
