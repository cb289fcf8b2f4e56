import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.validation import stratified_holdout


def test_each_class_gives_its_share() -> None:
    label = np.repeat(np.arange(3), [100, 50, 10])
    kept, held = stratified_holdout(label, share=0.1)
    assert np.bincount(label[held]).tolist() == [10, 5, 1]
    assert np.bincount(label[kept]).tolist() == [90, 45, 9]


def test_the_largest_remainders_give_one_more() -> None:
    label = np.repeat(np.arange(4), [7, 6, 5, 2])
    _, held = stratified_holdout(label, count=5)
    assert np.bincount(label[held], minlength=4).tolist() == [2, 2, 1, 0]


def test_a_single_sample_stays_in_training() -> None:
    label = np.array([0] * 9 + [1])
    _, held = stratified_holdout(label, count=9 - 1)
    assert (label[held] == 0).all() and len(held) == 8
    with pytest.raises(ValueError, match=r"at most 8 samples to hold out.*but got 9"):
        stratified_holdout(label, count=9)


def test_arguments_are_checked() -> None:
    label = np.zeros(10, np.int64)
    with pytest.raises(ValueError, match=r"one of the arguments"):
        stratified_holdout(label)
    with pytest.raises(ValueError, match=r"one of the arguments"):
        stratified_holdout(label, share=0.1, count=1)
    with pytest.raises(ValueError, match=r"argument `share`, but got 1.5"):
        stratified_holdout(label, share=1.5)


@given(
    sizes=st.lists(st.integers(0, 20), min_size=1, max_size=8).filter(any),
    share=st.floats(0, 1),
    seed=st.integers(0, 100),
)
def test_split_properties(sizes: list[int], share: float, seed: int) -> None:
    label = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    count = int(share * (len(label) - np.count_nonzero(sizes)))
    kept, held = stratified_holdout(label, count=count, seed=seed)
    assert len(held) == count
    assert (np.sort(np.concatenate([kept, held])) == np.arange(len(label))).all()
    assert (np.diff(kept) > 0).all() and (np.diff(held) > 0).all()
    left = np.bincount(label[kept], minlength=len(sizes))
    assert ((left >= 1) | (np.array(sizes) == 0)).all()
    again, _ = stratified_holdout(label, count=count, seed=seed)
    assert (again == kept).all()
