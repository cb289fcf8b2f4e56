import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.imbalance.base import imbalance, keep
from data_tools.imbalance.exponential import exponential, exponential_counts
from data_tools.imbalance.from_file import from_file
from data_tools.imbalance.listed import listed
from data_tools.imbalance.pareto import pareto, pareto_counts
from data_tools.imbalance.step import step, step_counts
from data_tools.labels_file import LabelTable, write_labels
from data_tools.shot_groups import by_counts

CIFAR10 = np.repeat(np.arange(10), 5000)
CIFAR100 = np.repeat(np.arange(100), 500)


@pytest.mark.parametrize(
    ("factor", "total", "smallest"),
    [(10, 20431, 500), (20, 17023, 250), (50, 13996, 100), (100, 12406, 50), (200, 11203, 25)],
)
def test_cifar10_lt_has_the_published_counts(factor: int, total: int, smallest: int) -> None:
    kept = exponential(CIFAR10, 10, factor=factor)
    counts = np.bincount(CIFAR10[kept])
    assert len(kept) == total
    assert counts[0] == 5000 and counts[9] == counts.min() == smallest
    assert (np.diff(counts) < 0).all()


@pytest.mark.parametrize(
    ("factor", "total", "smallest", "groups"),
    [
        (10, 19573, 50, (69, 31, 0)),
        (20, 15907, 25, (53, 47, 0)),
        (50, 12608, 10, (41, 41, 18)),
        (100, 10847, 5, (35, 35, 30)),
        (200, 9502, 2, (30, 31, 39)),
    ],
)
def test_cifar100_lt_has_the_published_counts_and_groups(
    factor: int, total: int, smallest: int, groups: tuple[int, int, int]
) -> None:
    kept = exponential(CIFAR100, 100, factor=factor)
    counts = np.bincount(CIFAR100[kept])
    assert len(kept) == total
    assert counts[99] == counts.min() == smallest
    assert tuple(by_counts(counts).sizes().values()) == groups


@pytest.mark.parametrize(("factor", "total"), [(10, 27500), (100, 25250)])
@pytest.mark.parametrize(("label", "classes"), [(CIFAR10, 10), (CIFAR100, 100)])
def test_step_has_the_published_totals(
    factor: int, total: int, label: np.ndarray, classes: int
) -> None:
    counts = np.bincount(label[step(label, classes, factor=factor)])
    assert counts.sum() == total
    assert set(counts[: classes // 2]) == {len(label) // classes}
    assert set(counts[classes // 2 :]) == {len(label) // classes // factor}


def test_images_are_those_of_the_field() -> None:
    """One legacy generator, one shuffle of each class in turn, the first n_c."""
    label = np.random.default_rng(1).permutation(np.repeat(np.arange(5), 40))
    counts = exponential_counts(40, 10, 5)
    np.random.seed(0)
    chosen = set()
    for class_, count in enumerate(counts):
        places = np.where(label == class_)[0]
        np.random.shuffle(places)
        chosen |= set(places[:count])
    assert set(exponential(label, 5, factor=10)) == chosen


@pytest.mark.parametrize(("classes", "factor"), [(10, 100), (100, 10), (100, 50), (100, 100)])
def test_cifar_lt_has_the_images_of_the_field(classes: int, factor: int) -> None:
    """50,000 labels in mixed order, chosen by numpy's global generator with seed 0 (LDAM-DRW)."""
    label = np.random.default_rng(7).permutation(np.repeat(np.arange(classes), 50_000 // classes))
    np.random.seed(0)
    chosen = []
    for class_ in range(classes):
        places = np.where(label == class_)[0]
        np.random.shuffle(places)
        count = int(50_000 / classes * (1 / factor) ** (class_ / (classes - 1.0)))
        chosen.extend(places[:count])
    kept = exponential(label, classes, factor=factor)
    assert kept.tolist() == sorted(chosen)
    assert (exponential(label, classes, factor=factor, seed=1) != kept).any()


def test_whole_counts_survive_rounding() -> None:
    """(1 / factor) ** 1 * largest is whole here, but not in floating point."""
    for factor in range(1, 200):
        assert exponential_counts(factor * 3, factor, 2)[1] == 3
        assert step_counts(factor * 3, factor, 2)[1] == 3


def test_pareto_comes_near_imagenet_lt() -> None:
    """ImageNet-LT: 115,846 images, 385 / 479 / 136 classes."""
    counts = pareto_counts(1280, 5, 1000)
    assert (counts[0], counts[-1]) == (1280, 5)
    assert (np.diff(counts) <= 0).all()
    assert abs(counts.sum() - 115_846) < 0.06 * 115_846
    for found, real in zip(by_counts(counts).sizes().values(), (385, 479, 136), strict=True):
        assert abs(found - real) < 40
    lists = np.repeat(np.arange(100), 1280)
    kept = pareto(lists, 100, largest=1280)
    assert (np.bincount(lists[kept]) == pareto_counts(1280, 5, 100)).all()


def test_a_class_that_is_too_small_keeps_what_it_has(caplog: pytest.LogCaptureFixture) -> None:
    label = np.repeat(np.arange(3), [10, 4, 10])
    kept = exponential(label, 3, factor=2, largest=10)
    assert np.bincount(label[kept]).tolist() == [10, 4, 5]
    assert "1 classes have fewer images than the imbalance asks for, 3 images" in caplog.text


def test_impossible_imbalances_are_refused() -> None:
    label = np.repeat(np.arange(4), 10)
    with pytest.raises(ValueError, match=r"argument `factor`, but got 0.5"):
        exponential(label, 4, factor=0.5)
    with pytest.raises(ValueError, match=r"class 3 gets 0.50"):
        exponential(label, 4, factor=20)
    with pytest.raises(ValueError, match=r"argument `smallest`"):
        pareto(label, 4, smallest=11)
    with pytest.raises(ValueError, match=r"argument `power`"):
        pareto(label, 4, power=0)
    with pytest.raises(ValueError, match=r"at most 10 images of class 1, but got 11"):
        keep(label, np.array([1, 11, 1, 1]), seed=0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("counts.json", json.dumps([5, 3, 2])),
        ("counts.json", json.dumps({"2": 2, "0": 5, "1": 3})),
        ("counts.csv", "class,count\n1,3\n0,5\n2,2\n"),
        ("counts.csv", "5\n3\n2\n"),
        ("counts.txt", "0 5\n1 3\n2 2"),
        ("counts.txt", "5\n3\n2\n"),
    ],
)
def test_counts_from_a_file(tmp_path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    label = np.repeat(np.arange(3), 5)
    kept = from_file(label, 3, file=str(tmp_path / name))
    assert np.bincount(label[kept]).tolist() == [5, 3, 2]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("5\n3\n", "each of the classes 0 to 2"),
        ("0 5\n0 3\n2 2", "one twice"),
        ("0 5\n1 x\n2 2", "in line 2 .*'1 x'"),
        ("5\n6\n2", "at most 5 images of class 1, but got 6"),
        ("", "in line 1"),
    ],
)
def test_bad_count_files_are_refused(tmp_path, text: str, match: str) -> None:
    (tmp_path / "counts.txt").write_text(text)
    with pytest.raises(ValueError, match=match):
        from_file(np.repeat(np.arange(3), 5), 3, file=str(tmp_path / "counts.txt"))


@pytest.mark.parametrize("name", ["labels.csv", "labels.npz"])
@pytest.mark.parametrize("index", [[0], [3, 5, 6], list(range(9))])
def test_samples_that_a_file_lists(tmp_path, name: str, index: list[int]) -> None:
    path = tmp_path / name
    places = np.array(index[::-1])
    given, held_out = np.zeros(len(index), np.int64), np.zeros(len(index), bool)
    write_labels(path, LabelTable.of(places, given, held_out, None, {}))
    kept = listed(np.repeat(np.arange(3), 3), 3, file=str(path))
    assert kept.dtype == np.int64 and kept.tolist() == index
    with pytest.raises(ValueError, match=f"of {index[-1]} samples .* to {index[-1]}"):
        listed(np.zeros(index[-1], np.int64), 3, file=str(path))


def test_what_lists_no_samples_is_refused(tmp_path) -> None:
    label = np.zeros(9, np.int64)
    with pytest.raises(FileNotFoundError, match=r"none\.csv does not exist"):
        listed(label, 1, file=str(tmp_path / "none.csv"))
    (tmp_path / "counts.csv").write_text("5\n3\n2\n")
    with pytest.raises(ValueError, match="Expected labels exported by this package"):
        listed(label, 1, file=str(tmp_path / "counts.csv"))
    nothing = np.zeros(0, np.int64)
    write_labels(tmp_path / "x.npz", LabelTable.of(nothing, nothing, nothing > 0, None, {}))
    with pytest.raises(ValueError, match="but got none to none"):
        listed(label, 1, file=str(tmp_path / "x.npz"))


@given(
    sizes=st.lists(st.integers(1, 30), min_size=2, max_size=6),
    factor=st.floats(1, 5),
    largest=st.integers(5, 30),
    seed=st.integers(0, 2**32 - 1),
)
def test_kept_positions_are_sorted_unique_and_repeatable(
    sizes: list[int], factor: float, largest: int, seed: int
) -> None:
    label = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    calls = [
        lambda: exponential(label, len(sizes), factor=factor, largest=largest, seed=seed),
        lambda: step(label, len(sizes), factor=factor, largest=largest, seed=seed),
        lambda: pareto(label, len(sizes), largest=largest, smallest=1, seed=seed),
    ]
    for call in calls:
        kept = call()
        assert (np.diff(kept) > 0).all()
        assert kept.min() >= 0 and kept.max() < len(label)
        assert (np.bincount(label[kept], minlength=len(sizes)) <= np.minimum(sizes, largest)).all()
        assert (kept == call()).all()


def test_a_recipe_names_an_imbalance() -> None:
    kept = imbalance.spec({"kind": "exponential", "factor": 10}).bind()(CIFAR10, 10)
    assert len(kept) == 20431


# kaidic/LDAM-DRW 2536330 (imbalance_cifar.py), and Stomach-ache/RoLT c78db7b the same: of 50,000
# labels in mixed order, seed 0, the first counts, and of the kept images' places number, sum and
# sum of squares modulo 1,000,003.
AUTHORS = [
    (10, "exponential", 100, [5000, 2997, 1796, 1077, 645, 387], 12406, 311887278, 201514),
    (10, "exponential", 50, [5000, 3237, 2096, 1357, 878, 568], 13996, 351928933, 625234),
    (100, "exponential", 100, [500, 477, 455, 434, 415, 396], 10847, 273383248, 64878),
    (100, "exponential", 10, [500, 488, 477, 466, 455, 445], 19573, 493097486, 77110),
    (10, "step", 100, [5000, 5000, 5000, 5000, 5000, 50], 25250, 633056240, 228224),
    (100, "step", 10, [500, 500, 500, 500, 500, 500], 27500, 691079708, 79663),
]


@pytest.mark.parametrize(
    ("classes", "kind", "factor", "counts", "number", "total", "squares"), AUTHORS
)
def test_the_authors_counts_and_images(
    classes: int, kind: str, factor: int, counts: list[int], number: int, total: int, squares: int
) -> None:
    label = np.random.default_rng(7).permutation(np.repeat(np.arange(classes), 50_000 // classes))
    kept = imbalance.spec({"kind": kind, "factor": factor}).bind()(label, classes)
    assert np.bincount(label[kept])[: len(counts)].tolist() == counts
    assert len(kept) == number and kept.sum() == total
    assert sum(place * place for place in kept.tolist()) % 1_000_003 == squares


def test_counts_of_a_set_that_its_classes_do_not_divide() -> None:
    """Theirs start from 1797 / 10 = 179.7 and give 139, 107, 83, 64, 50, 38...; ours from 179."""
    assert exponential_counts(179, 10, 10)[:7].tolist() == [179, 138, 107, 83, 64, 49, 38]
