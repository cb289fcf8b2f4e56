"""A folder of images with one folder per class."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from data_tools.arguments import check_between
from data_tools.class_names import sorted_classes
from data_tools.datasets.base import Share, Source, dataset
from data_tools.image_files import ImageFiles, Mode, list_images
from data_tools.images import ImageSet
from data_tools.validation import stratified_holdout

logger = logging.getLogger(__name__)


@dataset("image_folder")
def image_folder(
    *,
    root: str,
    test: Share = 0.2,
    mode: Mode = "rgb",
    flips: bool = True,
    clean: bool = False,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Source:
    """A folder of images: ``train/<class>/*`` and ``test/<class>/*``, or just ``<class>/*``.

    Classes are in the order of their names, by value where every name is a whole number. Images
    anywhere below a class's folder belong to it. Files that are no images are left out, and
    counted in the log. Images are read when asked for.

    Args:
        root: The folder.
        test: Share of each class that becomes the test set where there is no ``test`` folder.
        mode: ``rgb`` or ``grey``.
        flips: Whether a mirrored image keeps its label.
        clean: Whether the labels are known to be right.
        seed: Seed of the test split.

    Returns:
        Image sets with a column ``path``.

    Raises:
        FileNotFoundError: There is no such folder, or no image in a class.
        ValueError: The test folder names another class, or ``test`` is out of bounds.
        OSError: A folder cannot be listed.
    """
    check_between("test", test, 0, 0.99, "0.2")
    top = Path(root)
    if not top.is_dir():
        raise FileNotFoundError(f"Expected a folder of argument `root`, but {root} does not exist.")
    split = (top / "train").is_dir()
    train_files = _classes_of(top / "train" if split else top)
    classes = sorted_classes(train_files)
    if (top / "test").is_dir() and split:
        test_files = _classes_of(top / "test")
        unknown = sorted(set(test_files) - set(classes))
        if unknown:
            raise ValueError(
                f"Expected the classes of {top / 'train'} in {top / 'test'}, but got also "
                f"{', '.join(unknown[:5])}. Try: the same folder names in both."
            )
        return Source(
            train=_image_set(train_files, classes, mode, flips),
            test=_image_set(test_files, classes, mode, flips),
            truth_known=clean,
        )
    whole = _image_set(train_files, classes, mode, flips)
    kept, held = stratified_holdout(whole.label, share=test, seed=seed)
    return Source(
        train=whole.take(kept),
        test=whole.take(held) if len(held) else None,
        truth_known=clean,
    )


def _classes_of(folder: Path) -> dict[str, list[Path]]:
    """Image files by class; hidden folders (``.cache``) are no classes."""
    files = {}
    strangers = 0
    for child in folder.iterdir():
        if child.name.startswith(".") or not child.is_dir():
            strangers += 1
            continue
        files[child.name], others = list_images(child)
        strangers += others
        if not files[child.name]:
            raise FileNotFoundError(f"Expected at least one image in {child}, but found none.")
    if not files:
        raise FileNotFoundError(f"Expected a folder per class in {folder}, but found none.")
    if strangers:
        logger.warning("%s: left out %d files that are no images of a class", folder, strangers)
    return files


def _image_set(
    files: dict[str, list[Path]], classes: tuple[str, ...], mode: Mode, flips: bool
) -> ImageSet:
    paths = [str(path) for name in classes for path in files.get(name, [])]
    label = np.repeat(np.arange(len(classes)), [len(files.get(name, [])) for name in classes])
    return ImageSet(
        images=ImageFiles(paths, mode),
        label=label.astype(np.int64),
        classes=classes,
        columns={"path": np.asarray(paths, dtype=object)},
        flips=flips,
    )
