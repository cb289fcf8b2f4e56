"""Images named in plain lists, as the long-tail benchmarks publish them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import numpy as np

from data_tools.class_names import is_whole_number
from data_tools.datasets.base import Scale, Splits, dataset
from data_tools.image_files import ImageFiles, require_files
from data_tools.picture import Mode
from data_tools.plain_text import read_text
from data_tools.samples import IntArray, SampleSet

LARGEST = 1_000_000
"""Classes are numbered up to the largest label: beyond this it is a slip, and costs memory."""

Benchmark = Literal["imagenet_lt", "places_lt", "inaturalist2018"]


class _Facts(NamedTuple):
    classes: int
    largest: int
    smallest: int
    counts: dict[str, int]


FACTS: dict[str, _Facts] = {
    "imagenet_lt": _Facts(1000, 1280, 5, {"train": 115_846, "validation": 20_000, "test": 50_000}),
    "places_lt": _Facts(365, 4980, 5, {"train": 62_500, "validation": 7_300, "test": 36_500}),
    "inaturalist2018": _Facts(8142, 1000, 2, {"train": 437_513, "test": 24_426}),
}


@dataset("list_file")
def list_file(
    *,
    root: str,
    train_file: str,
    test_file: str | None = None,
    validation_file: str | None = None,
    prefix: dict[str, str] | None = None,
    verify: Benchmark | None = None,
    mode: Mode = "rgb",
    scale: Scale | None = None,
    flips: bool = True,
    clean: bool = False,
    outside: bool = False,
) -> Splits:
    """Lists of lines "relative/path label" (ImageNet-LT, Places-LT, iNaturalist, Clothing1M).

    Args:
        root: Folder that the paths start from.
        train_file: List of the training images.
        test_file: List of the test images.
        validation_file: List of the validation images.
        prefix: Folders that are called otherwise here, ``{"data_256": "train"}``: the longest that
            a path starts with is replaced.
        verify: Benchmark whose published counts the lists must have.
        mode: ``rgb`` or ``grey``, 8 bits; ``stored`` keeps the channels and the depth of the files.
        scale: The stored value that stands for 1; None is the largest of an integer type, and 1 of
            floats, all of which must then be in [0, 1]. With it, what is outside is cut off.
        flips: Whether a mirrored image keeps its label.
        clean: Whether the labels are known to be right.
        outside: Whether images may lie outside of ``root``, by their path or by a link.

    Returns:
        Image sets with a column ``path``; classes are called by their numbers.

    Raises:
        FileNotFoundError: A list or an image does not exist.
        ValueError: A line cannot be read, or the counts differ from the benchmark's.
    """
    lists = {"train": train_file, "validation": validation_file, "test": test_file}
    read = {split: read_list(Path(name)) for split, name in lists.items() if name is not None}
    labels = {split: label for split, (_, label) in read.items()}
    if verify is not None:
        verify_lists(verify, labels)
    classes = tuple(str(i) for i in range(1 + max(int(label.max()) for label in labels.values())))
    parts = {}
    for split, (names, label) in read.items():
        paths = [Path(root, _renamed(name, prefix or {})) for name in names]
        require_files(paths, Path(str(lists[split])))
        files = ImageFiles(paths, mode, None if outside else root, scale)
        parts[split] = SampleSet(
            samples=files,
            label=label,
            classes=classes,
            columns={"path": np.asarray([str(path) for path in paths], dtype=object)},
            spec=files.spec(flips),
        )
    return Splits(
        parts["train"], parts.get("test"), truth_known=clean, validation=parts.get("validation")
    )


def read_list(path: Path) -> tuple[list[str], IntArray]:
    """Paths and labels of one list, parted by the last blank; a final newline may be missing.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line has no path, or no label that is an integer of at least 0.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a list of images, but {path} does not exist.")
    names, labels = [], []
    lines = read_text(path).rstrip().split("\n")
    for number, line in enumerate(lines, start=1):
        parts = line.rsplit(maxsplit=1)
        if len(parts) != 2 or not is_whole_number(parts[1]) or not 0 <= int(parts[1]) < LARGEST:
            raise ValueError(
                f"Expected `relative/path label`, the label a number from 0, in line {number} of "
                f"{path}, but got {line!r}."
            )
        names.append(parts[0])
        labels.append(int(parts[1]))
    return names, np.asarray(labels, dtype=np.int64)


def verify_lists(benchmark: Benchmark, labels: dict[str, IntArray]) -> None:
    """Compare lists with what was published of a benchmark.

    Args:
        benchmark: ``imagenet_lt`` or ``places_lt`` (Liu et al. 2019), or ``inaturalist2018`` (Van
            Horn et al. 2018; its test list is the official validation set).
        labels: Labels of ``train`` and, where there are lists of them, ``validation`` and ``test``.

    Raises:
        ValueError: A count differs. The message names all that do.
    """
    facts = FACTS[benchmark]
    sizes = np.bincount(labels["train"], minlength=facts.classes)
    found = {
        "classes": (len(sizes), facts.classes),
        "largest class": (int(sizes.max()), facts.largest),
        "smallest class": (int(sizes.min()), facts.smallest),
        **{
            f"{split} images": (len(label), facts.counts.get(split, 0))
            for split, label in labels.items()
        },
    }
    wrong = [
        f"{name} {got} instead of {want}" for name, (got, want) in found.items() if got != want
    ]
    if wrong:
        raise ValueError(f"Expected the lists of {benchmark}, but got {', '.join(wrong)}.")


def _renamed(name: str, prefix: dict[str, str]) -> str:
    for old in sorted(prefix, key=len, reverse=True):
        if PurePosixPath(name).is_relative_to(old):
            return str(PurePosixPath(prefix[old], PurePosixPath(name).relative_to(old)))
    return name
