"""Drawn shapes as a data set: sizes, classes, splits that differ, the same again."""

from __future__ import annotations

import numpy as np
import pytest

from data_tools.datasets.shapes import shapes


def test_shapes_are_as_many_as_asked_and_follow_the_seed() -> None:
    source = shapes(size=16, train=4, test=2)
    assert source.train.samples.shape == (24, 16, 16, 3) and source.test is not None
    assert np.bincount(source.train.label).tolist() == [4] * 6
    assert np.bincount(source.test.label).tolist() == [2] * 6
    assert source.train.classes == ("circle", "square", "triangle", "cross", "ring", "star")
    again, other = shapes(size=16, train=4, test=2), shapes(size=16, train=4, test=2, seed=1)
    assert np.array_equal(source.train.samples, again.train.samples)
    assert not np.array_equal(source.train.samples, other.train.samples)
    assert not np.array_equal(source.train.samples[:2], source.test.samples[:2])


@pytest.mark.parametrize("wrong", [{"size": 4}, {"train": 1}, {"test": 0}], ids=str)
def test_numbers_out_of_bounds(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"argument `{next(iter(wrong))}`"):
        shapes(**wrong)
