"""How often each class comes, exactly, and which samples stand for it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supcon_ext.samplers.base import sampler
from supcon_ext.samplers.by_class import ClassSampler, whole_rows
from supcon_ext.samplers.class_balanced import ClassBalanced
from supcon_ext.samplers.effective_number import EffectiveNumberSampling
from supcon_ext.samplers.progressive import Progressive
from supcon_ext.samplers.reversed import Reversed
from supcon_ext.samplers.square_root import SquareRoot
from tests.samplers.toy import data

COUNTS = (100, 10, 1)
BY_CLASS = [ClassBalanced, SquareRoot, Reversed, Progressive, EffectiveNumberSampling]


def rows(part, counts=COUNTS, **others):
    given_ = data(counts, **others)
    return np.bincount(given_.label[part.order(given_)], minlength=len(counts)).tolist()


def test_names() -> None:
    assert sampler.names() == [
        "captions",
        "class_balanced",
        "effective_number",
        "m_per_class",
        "progressive",
        "reversed",
        "shuffled",
        "square_root",
        "with_synthetic",
    ]


@pytest.mark.parametrize("seed", range(5))
def test_whole_shares_are_exact(seed: int) -> None:
    """111 rows: 37 each; and at the stage's start, as they are."""
    assert rows(ClassBalanced(), seed=seed) == [37, 37, 37]
    assert rows(Progressive(), seed=seed) == [100, 10, 1]
    assert rows(EffectiveNumberSampling(beta=0.0), seed=seed) == [100, 10, 1]
    assert rows(Reversed(), seed=seed) == [1, 10, 100]
    assert rows(SquareRoot(), counts=(64, 16, 4), seed=seed) == [48, 24, 12]
    assert rows(Progressive(), epoch=5, counts=(90, 20, 10), seed=seed) == [65, 30, 25]


@pytest.mark.parametrize(
    ("part", "epoch", "share"),
    [
        (ClassBalanced(), 0, [1 / 3, 1 / 3, 1 / 3]),
        (SquareRoot(), 0, np.sqrt(COUNTS) / np.sqrt(COUNTS).sum()),
        (Reversed(), 0, np.array([0.01, 0.1, 1]) / 1.11),
        (Progressive(), 3, 0.7 * np.array(COUNTS) / 111 + 0.3 / 3),
        # Effective numbers of 100, 10 and 1 samples: 10 (1 - 0.9 ** n).
        (EffectiveNumberSampling(beta=0.9), 0, [100 / 9.9997344, 10 / 6.5132156, 1]),
    ],
)
def test_other_shares_are_rounded_up_or_down_and_exact_in_the_mean(part, epoch, share) -> None:
    exact = 111 * np.asarray(share) / np.sum(share)
    drawn = np.array([rows(part, epoch=epoch, seed=seed) for seed in range(400)])
    assert (drawn.sum(1) == 111).all()
    assert (np.abs(drawn - exact) < 1 + 1e-5).all()
    np.testing.assert_allclose(drawn.mean(0), exact, atol=0.11)


def test_effective_numbers_tend_to_balance() -> None:
    assert rows(EffectiveNumberSampling(beta=1 - 1e-9)) == [37, 37, 37]
    with pytest.raises(ValueError, match="`beta`, but got 1"):
        EffectiveNumberSampling(beta=1.0)


@given(
    shares=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=30),
    total=st.integers(0, 10_000),
    seed=st.integers(0, 2**32 - 1),
)
def test_rows_are_shared_out_whole(shares: list[float], total: int, seed: int) -> None:
    found = whole_rows(np.asarray(shares), total, np.random.default_rng(seed))
    exact = total * np.asarray(shares) / sum(shares)
    assert found.sum() == total and (found >= 0).all()
    assert (np.abs(found - exact) < 1 + 1e-5).all()


@pytest.mark.parametrize("kind", BY_CLASS)
def test_order_follows_from_the_generator(kind: type[ClassSampler]) -> None:
    orders = [kind().order(data(COUNTS, epoch=2, seed=seed)).tolist() for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("kind", BY_CLASS)
def test_samples_of_a_class_take_turns(kind: type[ClassSampler]) -> None:
    given_ = data((60, 20, 3), batch_size=8, epoch=5)
    order = kind().order(given_)
    visits = np.bincount(order, minlength=83)
    for class_ in range(3):
        of_class = visits[given_.label == class_]
        assert of_class.max() - of_class.min() <= 1
    for start in range(0, 83, 8):
        batch = order[start : start + 8]
        for class_ in range(3):
            members = batch[given_.label[batch] == class_]
            least = min(len(members), (60, 20, 3)[class_])
            assert len(np.unique(members)) == least


@pytest.mark.parametrize("kind", BY_CLASS)
def test_who_is_not_believed_is_no_part_of_its_class(kind: type[ClassSampler]) -> None:
    """Class 2 has one believed sample of 5; two samples have no label."""
    untrusted = (0, 1, 22, 23, 24, 25)
    believed = np.setdiff1d(np.arange(26), untrusted)

    def order(only: str) -> np.ndarray:
        return kind(only=only).order(data((16, 5, 5), untrusted=untrusted, unknown=2, epoch=5))

    assert len(order("trusted")) == 20
    assert set(order("trusted")) <= set(believed)
    everyone = order("all")
    assert len(everyone) == 28
    assert np.bincount(everyone)[[*untrusted, 26, 27]].tolist() == [1] * 8
    assert np.isin(everyone, believed).sum() == 20


def test_shares_count_believed_samples_alone() -> None:
    given_ = data((16, 4, 10), untrusted=range(20, 29))  # 16, 4 and 1
    order = SquareRoot(only="trusted").order(given_)
    assert np.bincount(given_.label[order]).tolist() == [12, 6, 3]


@pytest.mark.parametrize("kind", BY_CLASS)
def test_classes_without_samples_get_no_rows(kind: type[ClassSampler]) -> None:
    given_ = data((9, 0, 3, 0))
    order = kind().order(given_)
    assert len(order) == 12 and set(given_.label[order]) == {0, 2}
    nobody = data((3, 2), untrusted=range(5))
    assert kind(only="trusted").order(nobody).tolist() == []
    assert sorted(kind().order(nobody)) == [0, 1, 2, 3, 4]


def test_thousands_of_classes() -> None:
    """The sizes of iNaturalist 2018: 8,142 classes of 1,000 to 2 samples."""
    counts = np.floor(1000 * (2 / 1000) ** np.linspace(0, 1, 8142)).astype(int)
    given_ = data(counts, batch_size=256)
    visits = np.bincount(given_.label[ClassBalanced().order(given_)], minlength=8142)
    assert visits.sum() == counts.sum()
    assert visits.max() - visits.min() == 1


SIZES = (40, 20, 10, 5, 1)
# Shares of the epoch of the classes above, by the authors' programs: facebookresearch/
# classifier-balancing f162ade (ClassPrioritySampler, manual weights alone, five epochs; lam 1 and
# nroot 2; ClassAwareSampler), kaidic/LDAM-DRW 2536330 (ImbalancedDatasetSampler) and
# megvii-research/BBN 7992e90 (get_weight of lib/dataset/baseset.py).
AUTHORS = [
    (Progressive(to_the_end=True), 0, [0.526316, 0.263158, 0.131579, 0.065789, 0.013158]),
    (Progressive(to_the_end=True), 1, [0.444737, 0.247368, 0.148684, 0.099342, 0.059868]),
    (Progressive(to_the_end=True), 2, [0.363158, 0.231579, 0.165789, 0.132895, 0.106579]),
    (Progressive(to_the_end=True), 3, [0.281579, 0.215789, 0.182895, 0.166447, 0.153289]),
    (Progressive(to_the_end=True), 4, [0.2, 0.2, 0.2, 0.2, 0.2]),
    (SquareRoot(), 0, [0.367813, 0.260083, 0.183906, 0.130041, 0.058156]),
    (ClassBalanced(), 0, [0.2, 0.2, 0.2, 0.2, 0.2]),
    (EffectiveNumberSampling(beta=0.9999), 0, [0.200248, 0.200048, 0.199948, 0.199898, 0.199858]),
    (Reversed(), 0, [0.018182, 0.036364, 0.072727, 0.145455, 0.727273]),
]


@pytest.mark.parametrize(("part", "epoch", "share"), AUTHORS)
def test_the_authors_shares(part: ClassSampler, epoch: int, share: list[float]) -> None:
    given_ = data(SIZES, epoch=epoch, epochs=5)
    found = part.shares(np.array(SIZES), given_)
    np.testing.assert_allclose(found / found.sum(), share, atol=1e-6)


def test_visits_of_a_class_differ_by_one_as_with_the_authors_class_aware_sampler() -> None:
    """Theirs makes an epoch of the largest class times C rows: 40 of each of these; ours has 76."""
    given_ = data(SIZES)
    order = ClassBalanced().order(given_)
    assert sorted(np.bincount(given_.label[order]).tolist()) == [15, 15, 15, 15, 16]


def test_progressive_by_the_papers_epochs() -> None:
    """t / T: the last of five epochs is 4/5 balanced; a stage of one epoch is not at all."""
    last = Progressive().shares(np.array(SIZES), data(SIZES, epoch=4, epochs=5))
    np.testing.assert_allclose(last, 0.2 * np.array(SIZES) / 76 + 0.8 / 5)
    alone = Progressive(to_the_end=True).shares(np.array(SIZES), data(SIZES, epoch=0, epochs=1))
    np.testing.assert_allclose(alone, np.array(SIZES) / 76)
