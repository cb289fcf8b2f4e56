"""CIFAR-10 and CIFAR-100 as torchvision stores them."""

from __future__ import annotations

import numpy as np

from data_tools.datasets.base import Splits, dataset
from data_tools.samples import SampleSet


@dataset("cifar10")
def cifar10(*, root: str = "data", download: bool = False) -> Splits:
    """CIFAR-10: 50,000 + 10,000 images of 10 classes, 32 x 32 RGB (Krizhevsky 2009).

    Args:
        root: Folder that holds torchvision's ``cifar-10-batches-py``.
        download: Whether to download the files if they are not there.

    Raises:
        FileNotFoundError: The files are not there, or are damaged.
    """
    return _load("CIFAR10", root, download)


@dataset("cifar100")
def cifar100(*, root: str = "data", download: bool = False) -> Splits:
    """CIFAR-100: 50,000 + 10,000 images of 100 classes, 32 x 32 RGB (Krizhevsky 2009).

    Args:
        root: Folder that holds torchvision's ``cifar-100-python``.
        download: Whether to download the files if they are not there.

    Raises:
        FileNotFoundError: The files are not there, or are damaged.
    """
    return _load("CIFAR100", root, download)


def _load(name: str, root: str, download: bool) -> Splits:
    import torchvision

    reader = getattr(torchvision.datasets, name)
    try:
        splits = [reader(root, train=train, download=download) for train in (True, False)]
    except RuntimeError as error:
        raise FileNotFoundError(
            f"Expected {name}'s files under `root` ({root}), but got: {error}. "
            "Try: `download: true`, or the folder that holds them."
        ) from error
    train, test = (
        SampleSet(split.data, np.asarray(split.targets, dtype=np.int64), tuple(split.classes))
        for split in splits
    )
    return Splits(train, test, truth_known=True)
