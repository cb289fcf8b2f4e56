import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from data_tools.noise.asymmetric import (
    CIFAR10,
    CIFAR100,
    asymmetric_cifar10,
    asymmetric_cifar100_blocks,
    asymmetric_cifar100_pairflip,
    asymmetric_cifar100_superclass,
    asymmetric_map,
)
from data_tools.noise.base import Count, NoisyLabels, noise
from data_tools.noise.pair_flip import pair_flip
from data_tools.noise.superclasses import SUPERCLASSES
from data_tools.noise.symmetric import Redraw, symmetric
from data_tools.samples import SampleSet
from tests.data_tools.empirical import empirical_transition
from tests.data_tools.toy import balanced, labelled

# Coarse label of each fine label, in the order of CIFAR-100's fine labels.
# fmt: off
COARSE = np.array([
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11,
    6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5,
    5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17,
    10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13,
    16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13,
])
# fmt: on


def flipped(train: SampleSet, noisy: NoisyLabels) -> np.ndarray:
    return np.flatnonzero(noisy.label != train.label)


@pytest.mark.parametrize(
    ("classes", "rate", "wrong"),
    [(10, 0.2, 0.18), (10, 0.5, 0.45), (10, 0.8, 0.72), (10, 0.9, 0.81), (100, 0.5, 0.495)],
)
def test_inclusive_noise_keeps_some_labels_right(classes: int, rate: float, wrong: float) -> None:
    train = balanced(classes, 100_000 // classes)
    noisy = symmetric(train, rate=rate)
    assert abs(np.mean(noisy.label != train.label) - wrong) < 0.005
    assert (noisy.truth == train.label).all()
    diagonal = np.diag(noisy.transition)
    assert diagonal == pytest.approx(np.full(classes, 1 - rate + rate / classes))


def test_exclusive_noise_has_the_exact_rate() -> None:
    train = balanced(10, 10_000)
    assert len(flipped(train, symmetric(train, rate=0.5, redraw="exclusive"))) == 50_000
    drawn = symmetric(train, rate=0.5, redraw="exclusive", count="bernoulli")
    assert abs(len(flipped(train, drawn)) / 100_000 - 0.5) < 0.01
    each = symmetric(train, rate=0.37, redraw="exclusive", count="per_class")
    assert np.bincount(train.label[flipped(train, each)]).tolist() == [3700] * 10


def test_flips_go_everywhere_equally() -> None:
    train = balanced(10, 10_000)
    noisy = symmetric(train, rate=0.5, redraw="exclusive")
    found = empirical_transition(noisy.label, noisy.truth, 10)
    assert np.abs(found - noisy.transition).max() < 0.02


def test_whole_products_are_not_rounded_down() -> None:
    """0.57 * 100 is 56.99... in floating point."""
    train = balanced(10, 10)
    assert len(flipped(train, symmetric(train, rate=0.57, redraw="exclusive"))) == 57


def test_asymmetric_cifar10_touches_five_classes() -> None:
    train = balanced(CIFAR10, 5000)
    noisy = asymmetric_cifar10(train, rate=0.4)
    chosen = flipped(train, noisy)
    pairs = {(int(a), int(b)) for a, b in np.stack([train.label, noisy.label])[:, chosen].T}
    assert pairs == {(9, 1), (2, 0), (4, 7), (3, 5), (5, 3)}
    assert abs(len(chosen) / 50_000 - 0.2) < 0.005
    diagonal = np.ones(10)
    diagonal[[9, 2, 4, 3, 5]] = 0.6
    assert np.diag(noisy.transition) == pytest.approx(diagonal)
    counts = np.bincount(noisy.label)
    assert counts[2] < 3200 and counts[0] > 6800


@pytest.mark.parametrize(("count", "exactly"), [("exact", None), ("per_class", 10_000)])
def test_asymmetric_counting(count: str, exactly: int | None) -> None:
    train = balanced(CIFAR10, 5000)
    chosen = flipped(train, asymmetric_cifar10(train, rate=0.4, count=count))
    if exactly is None:  # 20,000 are hit, about half of them in classes that stay
        assert 9_500 < len(chosen) < 10_500 and len(chosen) != 10_000
    else:
        assert len(chosen) == exactly


def test_superclasses_are_cifar100s() -> None:
    fine = {name: place for place, name in enumerate(CIFAR100)}
    assert len(fine) == 100
    for number, group in enumerate(SUPERCLASSES.values()):
        assert {COARSE[fine[name]] for name in group} == {number}


def test_three_asymmetric_noises_on_cifar100() -> None:
    train = balanced(CIFAR100, 100)
    shares = {}
    for function in (
        asymmetric_cifar100_superclass,
        asymmetric_cifar100_blocks,
        asymmetric_cifar100_pairflip,
    ):
        noisy = function(train, rate=0.4)
        chosen = flipped(train, noisy)
        assert abs(len(chosen) / len(train) - 0.4) < 0.02
        inside = COARSE[train.label[chosen]] == COARSE[noisy.label[chosen]]
        shares[function.__name__] = float(inside.mean())
    assert shares["asymmetric_cifar100_superclass"] == 1.0
    assert 0.04 < shares["asymmetric_cifar100_blocks"] < 0.08
    assert shares["asymmetric_cifar100_pairflip"] < 0.1


def test_superclass_flips_go_to_the_next_class_in_circles() -> None:
    noisy = asymmetric_cifar100_superclass(balanced(CIFAR100, 1), rate=1.0)
    target = noisy.label
    assert sorted(target) == list(range(100))
    people = [CIFAR100.index(name) for name in ("baby", "boy", "girl", "man", "woman")]
    assert target[people].tolist() == [*people[1:], people[0]]


def test_blocks_are_five_consecutive_numbers() -> None:
    target = asymmetric_cifar100_blocks(balanced(CIFAR100, 1), rate=1.0).label
    assert target[:6].tolist() == [1, 2, 3, 4, 0, 6]


def test_pair_flip_goes_to_the_next_class() -> None:
    train = balanced(4, 100)
    noisy = pair_flip(train, rate=0.45, count="per_class")
    assert np.bincount(train.label[flipped(train, noisy)]).tolist() == [45] * 4
    chosen = flipped(train, noisy)
    assert (noisy.label[chosen] == (train.label[chosen] + 1) % 4).all()


def test_a_map_names_classes_or_their_numbers() -> None:
    train = balanced(("wolf", "husky", "cat"), 50)
    noisy = asymmetric_map(train, rate=1.0, mapping={"husky": "wolf", 0: 1})
    as_read = asymmetric_map(train, rate=1.0, mapping={"husky": "wolf", "0": "1"})
    np.testing.assert_array_equal(as_read.label, noisy.label)
    assert noisy.label.tolist() == [1] * 50 + [0] * 50 + [2] * 50
    with pytest.raises(ValueError, match=r"got 'fox'"):
        asymmetric_map(train, rate=0.5, mapping={"husky": "fox"})
    with pytest.raises(ValueError, match=r"got 3"):
        asymmetric_map(train, rate=0.5, mapping={3: 0})


def test_named_noises_refuse_other_data() -> None:
    with pytest.raises(ValueError, match=r"10 classes of CIFAR-10, but got 3"):
        asymmetric_cifar10(balanced(3, 5), rate=0.4)
    with pytest.raises(ValueError, match=r"10 classes of CIFAR-10"):
        asymmetric_cifar10(balanced(tuple("abcdefghij"), 5), rate=0.4)
    numbered = asymmetric_cifar10(balanced(10, 50), rate=1.0)
    assert numbered.label[-1] == 1


@pytest.mark.parametrize("rate", [1.3, -0.1, float("nan")])
def test_impossible_rates_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\] of argument `rate`"):
        symmetric(balanced(3, 5), rate=rate)
    with pytest.raises(ValidationError):
        noise.spec({"kind": "symmetric", "rate": rate})


def test_one_class_cannot_be_confused() -> None:
    with pytest.raises(ValueError, match=r"at least two classes"):
        symmetric(balanced(1, 5), rate=0.4, redraw="exclusive")


@given(
    rate=st.floats(0, 1),
    seed=st.integers(0, 2**40),
    count=st.sampled_from(["exact", "per_class", "bernoulli"]),
    kind=st.sampled_from(["symmetric", "pair_flip", "asymmetric_map"]),
)
def test_noise_properties(rate: float, seed: int, count: str, kind: str) -> None:
    train = balanced(5, 12)
    recipe = {"kind": kind, "rate": rate, "seed": seed, "count": count}
    if kind == "asymmetric_map":
        recipe["mapping"] = {"0": "1", "3": "2"}
    call = noise.spec(recipe).bind()
    noisy = call(train)
    wrong = int((noisy.label != train.label).sum())
    if count != "bernoulli":
        assert wrong <= rate * len(train) + 1e-6
    assert noisy.label.min() >= 0 and noisy.label.max() < 5
    assert (noisy.truth == train.label).all()
    assert noisy.transition.sum(axis=1) == pytest.approx(np.ones(5))
    assert (noisy.transition >= 0).all()
    assert (call(train).label == noisy.label).all()
    assert (train.label == np.repeat(np.arange(5), 12)).all()


def test_other_seeds_give_other_labels() -> None:
    train = balanced(10, 100)
    first, second = (symmetric(train, rate=0.4, seed=seed).label for seed in (0, 1))
    assert (first != second).any()


# The class that each flips to. LiJunnan1992/DivideMix d9d3058 (dataloader_cifar.py, r 1);
# ShikunLi/Sel-CL 98cc41e and DiegoOrtego/LabelNoiseMOIT f36c3e7 have the same (real_in_noise).
TARGETS_CIFAR10 = [0, 1, 0, 5, 7, 3, 6, 7, 8, 1]
# The first twenty of CIFAR-100, and the sum of class times target, by Sel-CL's and MOIT's programs.
TARGETS_CIFAR100 = [51, 32, 11, 42, 30, 20, 7, 14, 13, 10, 16, 35, 17, 48, 18, 19, 28, 37, 24, 21]


def test_the_authors_asymmetric_maps() -> None:
    ten, hundred = balanced(CIFAR10, 20), balanced(CIFAR100, 2)
    assert asymmetric_cifar10(ten, rate=1.0).label[::20].tolist() == TARGETS_CIFAR10
    named = {a: b for a, b in enumerate(TARGETS_CIFAR10)}
    mapped = asymmetric_map(ten, rate=0.4, mapping=named)
    expected = np.eye(10) * 0.6
    expected[np.arange(10), TARGETS_CIFAR10] += 0.4
    for noisy in (mapped, asymmetric_cifar10(ten, rate=0.4)):
        np.testing.assert_allclose(noisy.transition, expected)
    target = asymmetric_cifar100_superclass(hundred, rate=1.0).label[::2]
    assert target[:20].tolist() == TARGETS_CIFAR100
    assert (target * np.arange(100)).sum() == 266_106


def test_the_authors_blocks_and_pairs() -> None:
    """UNICON 616dc49 (Asymmetric_Noise.py), ELR 934af53 (cifar100.py), Co-teaching 7c7fbe2."""
    block = np.eye(5) * 0.6 + np.roll(np.eye(5), 1, axis=1) * 0.4
    found = asymmetric_cifar100_blocks(balanced(CIFAR100, 2), rate=0.4).transition
    np.testing.assert_allclose(found, np.kron(np.eye(20), block))
    pair = [[0.55, 0.45, 0, 0], [0, 0.55, 0.45, 0], [0, 0, 0.55, 0.45], [0.45, 0, 0, 0.55]]
    np.testing.assert_allclose(pair_flip(balanced(4, 5), rate=0.45).transition, pair)
    found = asymmetric_cifar100_pairflip(balanced(CIFAR100, 2), rate=0.45).transition
    np.testing.assert_allclose(found, np.eye(100) * 0.55 + np.roll(np.eye(100), 1, axis=1) * 0.45)


@pytest.mark.parametrize(
    ("redraw", "count", "hit", "wrong"),
    [
        # Of 2,000 labels at 0.4: DivideMix (mean of 30 seeds .3605), Sel-CL (.3594 of 20 seeds)
        ("inclusive", "exact", 800, 0.36),
        ("exclusive", "exact", 800, 0.4),  # MOIT: 800 wrong with each seed
        ("exclusive", "bernoulli", None, 0.4),  # Co-teaching: .6 and .4 / 9 in its matrix
    ],
)
def test_the_authors_symmetric_noise(
    redraw: Redraw, count: Count, hit: int | None, wrong: float
) -> None:
    train = balanced(10, 200)
    found = [symmetric(train, rate=0.4, redraw=redraw, count=count, seed=s) for s in range(30)]
    shares = [float((noisy.label != train.label).mean()) for noisy in found]
    assert np.mean(shares) == pytest.approx(wrong, abs=0.006)
    assert np.diag(found[0].transition) == pytest.approx(np.full(10, 1 - wrong))
    if hit is not None and redraw == "exclusive":
        assert shares == [hit / 2000] * 30


@pytest.mark.parametrize(
    ("samples", "rate", "count", "hit"),
    [
        (1733, 0.4, "exact", 693),  # DivideMix's number
        (100, 0.57, "exact", 57),  # theirs is 56: 0.57 * 100 is 56.99... in floating point
        (1730, 0.37, "exact", 640),  # ELR's is 641: it rounds up
        (1730, 0.37, "per_class", 640),  # ELR's 650, 65 of each class of 173
    ],
)
def test_how_many_are_hit_beside_the_authors_programs(
    samples: int, rate: float, count: Count, hit: int
) -> None:
    train = labelled(np.sort(np.arange(samples) % 10), 10)
    noisy = symmetric(train, rate=rate, redraw="exclusive", count=count)
    assert len(flipped(train, noisy)) == hit
