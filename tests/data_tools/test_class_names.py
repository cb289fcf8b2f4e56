"""One order of classes in every data set, and one rule for a class that is named."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_tools.class_names import class_number, class_numbers, sorted_classes
from data_tools.datasets.arrays import arrays
from data_tools.datasets.base import Splits
from data_tools.datasets.image_folder import image_folder
from data_tools.datasets.list_file import list_file
from data_tools.datasets.manifest import manifest
from data_tools.noise.asymmetric import CIFAR10, asymmetric_map
from data_tools.noise.from_file import from_file
from data_tools.prepared import prepare_data
from supcon_ext.experiment.build import build_groups
from supcon_ext.recipe.schema import DataSection
from tests.data_tools.toy import balanced, write_png

TWELVE = tuple(map(str, range(12)))
SPARSE = ("2", "10", "30")
ONE_BASED = tuple(map(str, range(1, 11)))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["10", "2", "1"], ("1", "2", "10")),
        (["b", "a", "10"], ("10", "a", "b")),
        (["10", "9", "01"], ("01", "10", "9")),
        (["-1", "-10", "0"], ("-10", "-1", "0")),
        (["1.5", "1.25", "10"], ("1.25", "1.5", "10")),
        (["2", "2"], ("2",)),
    ],
)
def test_the_order_of_classes(names: list[str], expected: tuple[str, ...]) -> None:
    assert sorted_classes(names) == expected


def folder(root: Path) -> tuple[str, ...]:
    for name in TWELVE:
        write_png(root / "train" / name / "a.png", int(name))
        write_png(root / "test" / name / "a.png", int(name))
    source = image_folder(root=str(root))
    assert source.test is not None and source.test.classes == source.train.classes
    for i in range(12):
        assert source.train.samples[i][0, 0, 0] == source.train.label[i] == i
    return source.train.classes


def flat_folder(root: Path) -> tuple[str, ...]:
    for name in TWELVE:
        write_png(root / name / "a.png", int(name))
        write_png(root / name / "b.png", int(name))
    source = image_folder(root=str(root), test=0.5)
    assert all(source.train.samples[i][0, 0, 0] == source.train.label[i] for i in range(12))
    return source.train.classes


def table(root: Path) -> tuple[str, ...]:
    lines = [f"{name}.png,{name}" for name in sorted(TWELVE)]
    (root / "table.csv").write_text("\n".join(["path,label", *lines]))
    for name in TWELVE:
        write_png(root / f"{name}.png", int(name))
    source = manifest(file=str(root / "table.csv"))
    assert all(source.train.samples[i][0, 0, 0] == source.train.label[i] for i in range(12))
    return source.train.classes


def listed(root: Path) -> tuple[str, ...]:
    (root / "list.txt").write_text("".join(f"{name}.png {name}\n" for name in TWELVE))
    for name in TWELVE:
        write_png(root / f"{name}.png", int(name))
    return list_file(root=str(root), train_file=str(root / "list.txt")).train.classes


def archive(root: Path) -> tuple[str, ...]:
    pixels = np.zeros((12, 2, 2), np.uint8)
    np.savez(root / "data.npz", x_train=pixels, y_train=np.arange(12))
    return arrays(file=str(root / "data.npz")).train.classes


@pytest.mark.parametrize("kind", [folder, flat_folder, table, listed, archive])
def test_twelve_numbered_classes_are_in_one_order_everywhere(tmp_path: Path, kind) -> None:
    assert kind(tmp_path) == TWELVE


@pytest.mark.parametrize(
    ("name", "classes", "number"),
    [
        (2, TWELVE, 2),
        ("10", TWELVE, 10),
        (2, SPARSE, 0),
        ("10", SPARSE, 1),
        (np.int64(30), SPARSE, 2),
        (1, ONE_BASED, 0),
        (10, ONE_BASED, 9),
        ("cat", CIFAR10, 3),
        (3, CIFAR10, 3),
        ("3", CIFAR10, 3),
        (" cat ", CIFAR10, 3),
        ("01", ("01", "02"), 0),
        ("cat ", ("cat", "cat "), 1),
    ],
)
def test_a_class_is_named(name: object, classes: tuple[str, ...], number: int) -> None:
    assert class_number(name, classes, "here") == number


@pytest.mark.parametrize(
    ("name", "classes", "message"),
    [
        (1, SPARSE, "name of a class in here, but got 1.*no place.*2, 10, 30"),
        ("0", ONE_BASED, "name of a class in here, but got '0'.*no place"),
        (1, ("01", "02"), "name of a class in here, but got 1"),
        (0, ("cat", "7"), "name of a class in here, but got 0"),
        (1, ("1.5", "2.5"), "name of a class"),
        (10, CIFAR10, "class of the data set in here, but got 10.*number below 10"),
        (-1, CIFAR10, "but got -1"),
        ("01", CIFAR10, "but got '01'"),
        ("wolf", CIFAR10, "but got 'wolf'.*airplane"),
        (True, CIFAR10, "but got True"),
        (1.0, CIFAR10, "but got 1.0"),
        (None, CIFAR10, "but got None"),
        ("", CIFAR10, "but got ''"),
    ],
)
def test_a_class_is_not_named(name: object, classes: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        class_number(name, classes, "here")


NAMES = st.lists(
    st.one_of(
        st.integers(-3, 12).map(str), st.sampled_from(["cat", "dog", "01", "1.0", "x1", "+1", " 1"])
    ),
    min_size=1,
    max_size=8,
    unique=True,
)


@given(names=NAMES, number=st.integers(-2, 14))
def test_no_number_means_two_things(names: list[str], number: int) -> None:
    """Every name names its class; a number is a name everywhere in a data set, or a place."""
    classes = sorted_classes(names)
    for place, name in enumerate(classes):
        assert class_number(name, classes, "here") == place
    for token in (number, str(number)):
        try:
            found = class_number(token, classes, "here")
        except ValueError:
            continue
        if found == number and classes[found] != str(number):
            assert not any(name.strip().lstrip("+-")[0].isdigit() for name in classes)
        else:
            assert classes[found].strip() == str(number)


def test_many_labels_at_once() -> None:
    assert class_numbers(np.array([10, 2, 10]), SPARSE, "here").tolist() == [1, 0, 1]
    assert class_numbers(np.array(["dog", "cat", "3"]), CIFAR10, "here").tolist() == [5, 3, 3]


@pytest.mark.parametrize(
    ("mapping", "classes", "flips"),
    [
        ({2: 10}, TWELVE, {2: 10}),
        ({"2": 10}, TWELVE, {2: 10}),
        ({"2": "10"}, TWELVE, {2: 10}),
        ({"2": 10}, SPARSE, {0: 1}),
        ({"2": 10, "30": 2}, SPARSE, {0: 1, 2: 0}),
        ({"cat": 5, "9": "automobile"}, CIFAR10, {3: 5, 9: 1}),
    ],
)
def test_both_sides_of_a_mapping_go_by_one_rule(
    mapping: dict[int | str, int | str], classes: tuple[str, ...], flips: dict[int, int]
) -> None:
    train = balanced(classes, 3)
    noisy = asymmetric_map(train, rate=1.0, mapping=mapping)
    expected = [flips.get(label, label) for label in train.label.tolist()]
    assert noisy.label.tolist() == expected


@pytest.mark.parametrize(
    ("mapping", "classes", "message"),
    [
        ({"2": 1}, SPARSE, "`mapping`, but got 1.*no place"),
        ({"0": 10}, SPARSE, "`mapping`, but got '0'.*no place"),
        ({2: 10, "2": 30}, SPARSE, "each class once.*2 and '2'"),
        ({"cat": 1, "3": 2}, CIFAR10, "each class once.*'cat' and '3'"),
    ],
)
def test_what_a_mapping_must_not_say(
    mapping: dict[int | str, int | str], classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        asymmetric_map(balanced(classes, 3), rate=1.0, mapping=mapping)


@pytest.mark.parametrize("suffix", ["csv", "txt", "npy"])
def test_given_labels_go_by_the_same_rule(tmp_path: Path, suffix: str) -> None:
    """Folders 1 to 10: labels 1 to 3 are classes 1 to 3, not places 1 to 3."""
    path = tmp_path / f"given.{suffix}"
    given = [1, 2, 3, 2, 1, 1, 1, 1, 1, 1]
    if suffix == "npy":
        np.save(path, np.array(given))
    else:
        path.write_text("\n".join(["label"][: suffix == "csv"] + list(map(str, given))))
    noisy = from_file(balanced(ONE_BASED, 1), file=str(path))
    assert noisy.label.tolist() == [label - 1 for label in given]


@pytest.mark.parametrize(
    ("groups", "classes"),
    [
        ({"many": [0], "medium": [1], "few": [2]}, ("a", "b", "c")),
        ({"many": ["a"], "medium": ["b"], "few": [2]}, ("a", "b", "c")),
        ({"many": [2], "medium": ["10"], "few": [30]}, SPARSE),
    ],
)
def test_groups_name_classes_by_the_same_rule(groups, classes: tuple[str, ...]) -> None:
    section = DataSection.model_validate({"dataset": "digits", "groups": groups})
    found = build_groups(section, _made(classes))
    assert (found.many, found.medium, found.few) == ((0,), (1,), (2,))


def test_groups_that_name_no_class() -> None:
    groups = {"many": [0], "medium": [1], "few": [2]}
    section = DataSection.model_validate({"dataset": "digits", "groups": groups})
    with pytest.raises(ValueError, match=r"`data.groups.many`, but got 0.*no place"):
        build_groups(section, _made(SPARSE))


def _made(classes: tuple[str, ...]):
    return prepare_data(Splits(balanced(classes, 2), None, True))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (np.array(["a", "a"]), "'a' twice"),
        (np.array(["a", "a "]), "'a' twice"),
        (np.array(["a", " "]), "an empty one"),
        (np.array([1.0, 2.0]), "texts or whole numbers"),
        (np.array([["a", "b"]]), "texts or whole numbers"),
        (np.array(["a", None]), r"`classes` of .*x\.astype"),
    ],
)
def test_names_of_an_archives_classes(tmp_path: Path, classes: np.ndarray, message: str) -> None:
    pixels = np.zeros((2, 2, 2), np.uint8)
    np.savez(tmp_path / "d.npz", x_train=pixels, y_train=np.arange(2), classes=classes)
    with pytest.raises(ValueError, match=message):
        arrays(file=str(tmp_path / "d.npz"))
