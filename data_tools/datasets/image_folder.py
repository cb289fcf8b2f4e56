"""A folder of images with one folder per class."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from data_tools.arguments import check_between
from data_tools.class_names import sorted_classes
from data_tools.datasets.base import Scale, Share, Splits, dataset
from data_tools.image_files import ImageFiles, list_images
from data_tools.picture import Mode
from data_tools.printable import printable
from data_tools.samples import SampleSet
from data_tools.validation import stratified_holdout

logger = logging.getLogger(__name__)

NAMED = 5


@dataset("image_folder")
def image_folder(
    *,
    root: str,
    test: Share = 0.2,
    mode: Mode = "rgb",
    scale: Scale | None = None,
    flips: bool = True,
    clean: bool = False,
    outside: bool = False,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Splits:
    """A folder of images: ``train/<class>/*`` and ``test/<class>/*``, or just ``<class>/*``.

    Classes are in the order of their names, by value where every name is a whole number. Images
    anywhere below a class's folder belong to it. Files that are no images are left out, and named
    in the log. Images are read when asked for; see :mod:`data_tools.picture` for how.

    Args:
        root: The folder.
        test: Share of each class that becomes the test set where there is no ``test`` folder.
        mode: ``rgb`` or ``grey``, 8 bits; ``stored`` keeps the channels and the depth of the files.
        scale: The stored value that stands for 1; None is the largest of an integer type, and 1 of
            floats, all of which must then be in [0, 1]. With it, what is outside is cut off.
        flips: Whether a mirrored image keeps its label.
        clean: Whether the labels are known to be right.
        outside: Whether links may lead to images outside of the folder.
        seed: Seed of the test split.

    Returns:
        Image sets with a column ``path``. A class without an image, or with test images alone, is
        a class like the others: :mod:`data_tools.source_check` tells of it.

    Raises:
        FileNotFoundError: There is no such folder, no class in it, or no training image.
        ValueError: ``test`` is out of bounds.
        OSError: A folder cannot be listed.
    """
    check_between("test", test, 0, 0.99, "0.2")
    top = Path(root)
    if not top.is_dir():
        raise FileNotFoundError(f"Expected a folder of argument `root`, but {root} does not exist.")
    split = (top / "train").is_dir()
    train_files = _classes_of(top / "train" if split else top, mode)
    test_files = _classes_of(top / "test", mode) if split and (top / "test").is_dir() else {}
    if not any(train_files.values()):
        raise FileNotFoundError(
            f"Expected at least one training image in {top}, but found none."
            + ("" if mode == "stored" else " Try: `mode: stored` for .npy pictures.")
        )
    classes = sorted_classes({*train_files, *test_files})
    inside = None if outside else top

    def image_set(files: dict[str, list[Path]]) -> SampleSet:
        paths = [str(path) for name in classes for path in files.get(name, [])]
        counts = [len(files.get(name, [])) for name in classes]
        files_of = ImageFiles(paths, mode, inside, scale)
        return SampleSet(
            samples=files_of,
            label=np.repeat(np.arange(len(classes)), counts).astype(np.int64),
            classes=tuple(map(printable, classes)),
            columns={"path": np.asarray(paths, dtype=object)},
            spec=files_of.spec(flips),
        )

    if test_files:
        return Splits(image_set(train_files), image_set(test_files), truth_known=clean)
    whole = image_set(train_files)
    kept, held = stratified_holdout(whole.label, share=test, seed=seed)
    return Splits(
        train=whole.take(kept),
        test=whole.take(held) if len(held) else None,
        truth_known=clean,
    )


def _classes_of(folder: Path, mode: Mode) -> dict[str, list[Path]]:
    """Image files by class; hidden folders (``.cache``) are no classes."""
    files = {}
    strangers = []
    for child in sorted(folder.iterdir()):
        if child.name.startswith(".") or not child.is_dir():
            strangers.append(child)
            continue
        files[child.name], others = list_images(child, mode)
        strangers += others
    if not files:
        raise FileNotFoundError(f"Expected a folder per class in {folder}, but found none.")
    if strangers:
        names = [printable(path.relative_to(folder)) for path in strangers[:NAMED]]
        logger.warning(
            "%s: left out %d %s no image of a class: %s%s",
            printable(folder),
            len(strangers),
            "file that is" if len(strangers) == 1 else "files that are",
            ", ".join(names),
            ", ..." if len(strangers) > NAMED else "",
        )
    return files
