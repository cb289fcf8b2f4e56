"""A data set of the package `datasets`, from the folder where it was saved."""

from __future__ import annotations

from pathlib import Path

from data_tools.datasets.base import Scale, Splits, dataset
from data_tools.given_data import by_split, joined
from data_tools.given_part import GivenPart, plain_labels
from data_tools.huggingface_part import class_names, columns_of, samples_of
from data_tools.optional_package import optional_package
from data_tools.picture import Mode

MARKS = ("dataset_dict.json", "state.json")
"""One of these files is in each folder that `save_to_disk` wrote."""


@dataset("huggingface")
def huggingface(
    *,
    root: str,
    image: str | None = None,
    label: str | None = None,
    mode: Mode = "rgb",
    scale: Scale | None = None,
    flips: bool = True,
    clean: bool = False,
) -> Splits:
    """A Hugging Face data set in a folder, as its save_to_disk left it: pictures or vectors.

    It may be a `DatasetDict` with splits train, validation and test; all of a `Dataset` is for
    training. Pictures are read when asked for.

    Args:
        root: The folder.
        image: Column of the pictures or vectors; null takes the only one of pictures, or one that
            is called ``image`` or the like.
        label: Column of the labels; null takes the only one of classes, or one that is called
            ``label`` or the like.
        mode: ``rgb`` or ``grey``, 8 bits; ``stored`` keeps the channels of the pictures.
        scale: The value that stands for 1; None is the largest of an integer type, and 1 of floats.
            With it, what is outside is cut off.
        flips: Whether a mirrored image keeps its label.
        clean: Whether the labels are known to be right.

    Raises:
        FileNotFoundError: There is no such folder.
        ModuleNotFoundError: The package `datasets` is not installed.
        ValueError: It is no folder of `save_to_disk`, or no column can be taken.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise FileNotFoundError(f"Expected a folder of argument `root`, but {root} does not exist.")
    if not any((folder / mark).is_file() for mark in MARKS):
        raise ValueError(
            f"Expected a folder that `save_to_disk` of the package `datasets` wrote, but {root} "
            "is none. Try: dataset.save_to_disk(folder), once, in Python"
        )
    package = optional_package("datasets", "data of kind `huggingface`", "supcon-ext[huggingface]")
    parts = {}
    for split, data in by_split(package.load_from_disk(str(folder))).items():
        where = f"the {split} data of {folder}"
        sample, target = columns_of(data, where, image, label)
        parts[split] = GivenPart(
            samples_of(data, sample, mode, where),
            plain_labels(list(data[target]), where),
            class_names(data, target),
            None,
            "",
        )
    return joined(parts, flips, scale, clean)
