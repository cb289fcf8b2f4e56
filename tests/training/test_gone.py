"""Training images that can no longer be read."""

from __future__ import annotations

import numpy as np
import torch

from data_tools.samples import SampleSet
from supcon_ext.objectives.base import Beliefs
from supcon_ext.training.gone import GoneImages


def images(count: int) -> SampleSet:
    pixels = np.zeros((count, 2, 2, 1), np.uint8)
    paths = np.array([f"{i}\x1b.png" for i in range(count)], dtype=object)
    return SampleSet(pixels, np.arange(count) % 2, ("a", "b"), {"path": paths})


def samples(count: int) -> Beliefs:
    return Beliefs(
        label=torch.arange(count) % 2,
        trust=torch.ones(count),
        role=torch.zeros(count, dtype=torch.int8),
    )


def test_a_blank_teaches_nothing_in_its_batch_and_is_dropped_afterwards() -> None:
    told: list[str] = []
    gone = GoneImages(images(6), told.append)
    known = samples(6)
    index, blank = gone.places(torch.tensor([4, ~1, 0, ~3]).repeat(2))  # two views
    assert index.tolist() == [4, 1, 0, 3] * 2 and blank.tolist() == [False, True, False, True] * 2
    index, blank = index[:4], blank[:4]
    seen = gone.believed(known, index, blank)
    assert seen.label[index].tolist() == [0, -1, 0, -1]
    assert seen.trust[index].tolist() == [1, 0, 1, 0]
    assert known.label.tolist() == [0, 1, 0, 1, 0, 1] and bool((known.trust == 1).all())
    assert gone.believed(known, index[:1], blank[:1]) is known
    gone.drop(known)
    assert known.trust.tolist() == [1, 0, 1, 0, 1, 1]
    assert known.role.tolist() == [0, 2, 0, 2, 0, 0]
    assert known.label.tolist() == [0, 1, 0, 1, 0, 1], "samplers count given labels"
    assert gone.count == 2
    assert told == [
        "2 images can no longer be read, left out from the next epoch on: 1\\x1b.png, 3\\x1b.png"
    ]
    gone.places(torch.tensor([~1, ~3]))
    assert len(told) == 1


def test_images_of_another_split_are_told_of_and_not_dropped() -> None:
    told: list[str] = []
    gone = GoneImages(images(6), told.append)
    gone.places(torch.tensor([~2]), images(4))
    assert gone.count == 0
    assert told == ["1 images can no longer be read, a blank image stands in for each: 2\\x1b.png"]
