import numpy as np
import pytest

from data_tools.imbalance.exponential import exponential_counts
from data_tools.noise.long_tail import (
    head_classes,
    imbalanced_matrix,
    rolt_imbalanced,
    rolt_symmetric,
    tabasco_flip,
    tabasco_uniform,
    tail_to_head,
    tail_to_head_matrix,
)
from tests.data_tools.empirical import empirical_transition
from tests.data_tools.toy import balanced, labelled


def cifar_lt(classes: int, factor: float):
    counts = exponential_counts(50_000 // classes, factor, classes)
    return labelled(np.repeat(np.arange(classes), counts), classes)


@pytest.mark.parametrize("protocol", [rolt_symmetric, rolt_imbalanced])
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3, 0.4, 0.5])
def test_rolt_flips_exactly_so_many(protocol, rate: float) -> None:
    train = cifar_lt(10, 100)
    noisy = protocol(train, rate=rate)
    assert (noisy.label != train.label).sum() == int(rate * len(train))


def purity_and_factor(train, transition: np.ndarray) -> tuple[float, float, float]:
    """Expected clean share among the samples labelled tail and head, and the given imbalance."""
    sizes = np.bincount(train.label)
    given = sizes @ transition
    purity = sizes * np.diag(transition) / given
    return float(purity[-1]), float(purity[0]), float(given.max() / given.min())


@pytest.mark.parametrize(
    ("classes", "factor", "rate", "symmetric", "imbalanced"),
    [
        (10, 100, 0.4, (0.05, 0.90, 5.7), (0.52, 0.68, 77)),
        (10, 10, 0.4, (0.25, 0.81, 3.1), (0.56, 0.64, 8.9)),
        (10, 100, 0.2, (0.13, 0.96, 13.2), (0.74, 0.85, 88)),
        (100, 100, 0.4, (0.06, 0.88, 7.3), (0.59, 0.61, 98)),
        (100, 10, 0.6, (0.14, 0.63, 2.3), (0.40, 0.40, 9.9)),
    ],
)
def test_the_two_rolt_protocols_are_different_problems(
    classes: int, factor: float, rate: float, symmetric, imbalanced
) -> None:
    train = cifar_lt(classes, factor)
    for protocol, expected in ((rolt_symmetric, symmetric), (rolt_imbalanced, imbalanced)):
        tail, head, given_factor = purity_and_factor(train, protocol(train, rate=rate).transition)
        assert tail == pytest.approx(expected[0], abs=0.0051)
        assert head == pytest.approx(expected[1], abs=0.0051)
        assert given_factor == pytest.approx(expected[2], rel=0.02)


def label_purity(given: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Share of right labels among the samples given each label."""
    right = np.bincount(given[given == truth], minlength=classes)
    return right / np.bincount(given, minlength=classes)


def test_thirty_of_579_tail_labels_are_clean() -> None:
    train = cifar_lt(10, 100)
    draws = [rolt_symmetric(train, rate=0.4, seed=seed) for seed in range(20)]
    given = np.mean([(noisy.label == 9).sum() for noisy in draws])
    clean = np.mean([((noisy.label == 9) & (train.label == 9)).sum() for noisy in draws])
    assert given == pytest.approx(579, abs=15)
    assert clean == pytest.approx(30, abs=2.5)
    assert label_purity(draws[0].label, draws[0].truth, 10)[9] == pytest.approx(0.05, abs=0.02)


def test_draws_match_the_matrix() -> None:
    train = cifar_lt(10, 10)
    for protocol in (
        rolt_symmetric,
        rolt_imbalanced,
        tabasco_uniform,
        tabasco_flip,
        tail_to_head,
    ):
        noisy = protocol(train, rate=0.4)
        found = empirical_transition(noisy.label, noisy.truth, 10)
        assert noisy.transition.sum(axis=1) == pytest.approx(np.ones(10))
        assert np.abs(found - noisy.transition).max() < 0.07, protocol.__name__


def test_imbalanced_matrix_by_hand() -> None:
    found = imbalanced_matrix(np.array([6.0, 3.0, 1.0]), 0.4)
    assert found[0] == pytest.approx([0.6, 0.3, 0.1])
    assert found[2] == pytest.approx([0.4 * 6 / 9, 0.4 * 3 / 9, 0.6])
    with pytest.raises(ValueError, match=r"at least two classes"):
        imbalanced_matrix(np.array([5.0, 0.0]), 0.4)


def test_tabasco_uniform_flips_nine_tenths_of_the_rate() -> None:
    train = balanced(10, 10_000)
    noisy = tabasco_uniform(train, rate=0.4)
    assert abs(np.mean(noisy.label != train.label) - 0.36) < 0.005


def test_tabasco_flip_has_one_target_a_class() -> None:
    train = balanced(10, 200)
    noisy = tabasco_flip(train, rate=0.2)
    off = noisy.transition - np.diag(np.diag(noisy.transition))
    assert (np.count_nonzero(off, axis=1) == 1).all()
    np.random.seed(1)
    others = [[other for other in range(10) if other != class_] for class_ in range(10)]
    assert off.argmax(axis=1).tolist() == [np.random.choice(row) for row in others]
    assert (tabasco_flip(train, rate=0.2, seed=5).transition == noisy.transition).all()
    assert (tabasco_flip(train, rate=0.2, map_seed=2).transition != noisy.transition).any()


def test_tail_to_head_matrix_by_hand() -> None:
    """Of five classes the three of 8, 6 and 2 are the head; the matrix's head rows stand."""
    sizes = np.array([2.0, 8.0, 1.0, 6.0, 1.0])
    assert head_classes(sizes, 0.5).tolist() == [0, 1, 3]
    found = tail_to_head_matrix(sizes, 0.4, 0.5)
    assert (found[[0, 1, 3]] == np.eye(5)[[0, 1, 3]]).all()
    assert found[2] == pytest.approx([0.4 * 2 / 16, 0.4 * 8 / 16, 0.6, 0.4 * 6 / 16, 0])
    assert found[4] == pytest.approx([0.4 * 2 / 16, 0.4 * 8 / 16, 0, 0.4 * 6 / 16, 0.6])
    assert found.sum(axis=1) == pytest.approx(np.ones(5))


@pytest.mark.parametrize(("classes", "factor"), [(10, 100), (10, 10), (100, 10)])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.33, 0.5, 1.0])
@pytest.mark.parametrize("head", [0.2, 0.5, 0.8])
def test_tail_to_head_flips_exactly_so_many_and_only_upwards(
    classes: int, factor: float, rate: float, head: float
) -> None:
    train = cifar_lt(classes, factor)
    noisy = tail_to_head(train, rate=rate, head=head)
    first = round(head * classes)  # classes are in the order of their sizes
    tail = train.label >= first
    flipped = noisy.label != train.label
    assert flipped.sum() == int(rate * tail.sum() + 1e-9)
    assert not flipped[~tail].any()
    assert (noisy.label[flipped] < first).all()
    assert (noisy.truth == train.label).all()


def test_tail_to_head_makes_the_tail_longer_and_keeps_it_clean() -> None:
    train = cifar_lt(10, 100)
    noisy = tail_to_head(train, rate=0.4)
    true, given = (np.bincount(label) for label in (train.label, noisy.label))
    assert given.max() / given.min() > 1.3 * true.max() / true.min()
    purity = label_purity(noisy.label, noisy.truth, 10)
    assert (purity[5:] == 1).all() and (purity[:5] < 1).all()


def test_tail_to_head_goes_by_its_seed() -> None:
    train = cifar_lt(10, 10)
    first, again, other = (tail_to_head(train, rate=0.4, seed=seed) for seed in (3, 3, 4))
    assert (first.label == again.label).all() and (first.label != other.label).any()
    assert (first.transition == other.transition).all()


def test_equally_large_classes_are_head_by_their_number() -> None:
    noisy = tail_to_head(balanced(4, 50), rate=0.5)
    assert (noisy.label != noisy.truth).sum() == 50
    assert set(noisy.truth[noisy.label != noisy.truth]) == {2, 3}


@pytest.mark.parametrize("head", [0.0, 0.95, 1.0, -0.5, 2.0])
def test_tail_to_head_needs_a_head_and_a_tail(head: float) -> None:
    with pytest.raises(ValueError, match="argument `head`, but got"):
        tail_to_head(balanced(4, 5), rate=0.5, head=head)
    with pytest.raises(ValueError, match="`rate`"):
        tail_to_head(balanced(4, 5), rate=1.5)


SIZES = (500, 300, 180, 108, 65, 39, 23, 14, 8, 5)
# Stomach-ache/RoLT c78db7b, `get_noisy_data` of data/imbalance_cifar.py on classes of these sizes:
# the chances it draws a flipped label of class 0, 1 and 9 by. 372 of 1,242 flip at 0.3.
# fmt: off
ROLT = {
    0: [0.0, 0.40431267, 0.2425876, 0.14555256, 0.08760108, 0.05256065, 0.0309973, 0.01886792,
        0.01078167, 0.00673854],
    1: [0.53078556, 0.0, 0.1910828, 0.11464968, 0.06900212, 0.04140127, 0.02441614, 0.014862,
        0.00849257, 0.00530786],
    9: [0.40420372, 0.24252223, 0.14551334, 0.087308, 0.05254648, 0.03152789, 0.01859337,
        0.0113177, 0.00646726, 0.0],
}
# Wakings/TABASCO 712992b, `flip_labels_c_1` of datas/data_utils.py (its seed is 1).
TABASCO = {
    10: [6, 9, 6, 0, 0, 1, 8, 6, 2, 4],
    100: [
        38, 13, 73, 10, 76, 6, 80, 65, 17, 1, 77, 72, 6, 26, 51, 21, 19, 85, 11, 29, 30, 14, 51,
        69, 88, 88, 95, 97, 87, 13, 9, 7, 64, 62, 22, 58, 1, 0, 61, 82, 8, 89, 13, 48, 73, 30, 72,
        3, 71, 21, 49, 58, 3, 69, 24, 43, 77, 26, 52, 81, 41, 83, 15, 65, 69, 25, 99, 88, 7, 26,
        25, 22, 9, 67, 23, 27, 37, 57, 84, 38, 8, 32, 34, 10, 23, 15, 88, 25, 71, 93, 74, 62, 46,
        32, 88, 23, 55, 65, 77, 3,
    ],
}
# fmt: on


@pytest.mark.parametrize("protocol", [rolt_symmetric, rolt_imbalanced])
def test_the_authors_rolt(protocol) -> None:
    train = labelled(np.repeat(np.arange(10), SIZES), 10)
    noisy = protocol(train, rate=0.3)
    assert (noisy.label != train.label).sum() == 372
    for class_, chances in ROLT.items():
        others = np.array(chances) if protocol is rolt_imbalanced else np.full(10, 1 / 9)
        expected = 0.3 * others
        expected[class_] = 0.7
        np.testing.assert_allclose(noisy.transition[class_], expected, atol=3e-9)


@pytest.mark.parametrize("classes", [10, 100])
def test_the_authors_tabasco(classes: int) -> None:
    train = balanced(classes, 2)
    expected = 0.6 * np.eye(classes)
    expected[np.arange(classes), TABASCO[classes]] = 0.4
    np.testing.assert_allclose(tabasco_flip(train, rate=0.4).transition, expected)
    uniform = tabasco_uniform(train, rate=0.4).transition
    np.testing.assert_allclose(uniform, 0.6 * np.eye(classes) + 0.4 / classes)
