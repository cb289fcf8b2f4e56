import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supcon_ext.samplers.m_per_class import MPerClass
from tests.samplers.toy import data


@given(
    counts=st.lists(st.integers(1, 12), min_size=4, max_size=9),
    samples=st.sampled_from([1, 2, 3]),
    seed=st.integers(0, 1000),
)
def test_every_batch_has_m_of_each_of_its_classes(counts, samples, seed) -> None:
    given_ = data(counts, batch_size=4 * samples, seed=seed)
    order = MPerClass(samples).order(given_)
    batches = order.reshape(-1, 4 * samples)
    assert len(batches) == max(1, sum(counts) // (4 * samples))
    for batch in batches:
        label = given_.label[batch]
        assert sorted(np.unique(label, return_counts=True)[1]) == [samples] * 4
        for class_ in np.unique(label):
            wanted = min(samples, counts[class_])
            assert len(np.unique(batch[label == class_])) == wanted


def test_classes_and_their_samples_take_turns() -> None:
    given_ = data((40, 20, 10, 8, 2), batch_size=8)
    order = MPerClass(4).order(given_)
    rows = np.bincount(given_.label[order])
    assert rows.sum() == 80 and rows.tolist() == [16] * 5
    visits = np.bincount(order, minlength=80)
    assert visits[-2:].tolist() == [8, 8] and visits[:40].max() == 1
    again = MPerClass(4).order(data((40, 20, 10, 8, 2), batch_size=8))
    assert order.tolist() == again.tolist()


def test_too_few_classes_share_the_batch(caplog: pytest.LogCaptureFixture) -> None:
    given_ = data((20, 9, 3), batch_size=8)
    order = MPerClass(2).order(given_).reshape(4, 8)
    for batch in order:
        assert sorted(np.bincount(given_.label[batch]))[0] >= 2
    assert "Expected at least 4 classes" in caplog.text


def test_who_is_not_believed_stays_away(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    order = MPerClass(2).order(data((6, 6), batch_size=4, untrusted=(0, 1), unknown=3))
    assert len(order) == 8 and not set(order) & {0, 1, 12, 13, 14}
    assert "leaves out 5 of 15 samples" in caplog.text
    assert MPerClass(2).order(data((2,), batch_size=4, untrusted=(0, 1))).tolist() == []


def test_the_batch_size_must_be_a_multiple() -> None:
    with pytest.raises(ValueError, match=r"divisor of the batch size 10.*got 4"):
        MPerClass(4).order(data((6, 6), batch_size=10))
    with pytest.raises(ValueError, match="`samples`, but got 0"):
        MPerClass(0)
    [(path, message)] = MPerClass.problems({"samples": 3}, {"batch_size": 256}, {})
    assert path == ("samples",) and "divisor of the batch size 256" in message
    assert MPerClass.problems({"samples": 4}, {"batch_size": 256}, {}) == []


def test_batches_as_those_of_pytorch_metric_learning() -> None:
    """Its 2.9.0, m 4 in batches of 16 of six classes of 2 to 40: four classes of four in each."""
    given_ = data((40, 20, 10, 8, 6, 2), batch_size=16)
    for batch in MPerClass(4).order(given_).reshape(-1, 16):
        counts = np.bincount(given_.label[batch], minlength=6)
        assert sorted(counts.tolist()) == [0, 0, 4, 4, 4, 4]
