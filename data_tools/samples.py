"""What every data set of this toolkit is: images that can be read by index, labels, names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
ImageArray = npt.NDArray[np.uint8]


class Images(Protocol):
    """Images by index: an ``(N, H, W, C)`` uint8 array, or a list of files read on demand."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> ImageArray:
        """Image ``index`` as an ``(H, W, C)`` uint8 array, C = 1 (grey) or 3 (RGB)."""
        ...


@dataclass(frozen=True)
class Origin:
    """Where the images of a part of a data set stood in the whole.

    Attributes:
        index: ``(n,)`` int64 places in the whole.
        size: Number of images of the whole.
    """

    index: IntArray
    size: int


@dataclass(frozen=True)
class SampleSet:
    """One split of a data set.

    Attributes:
        images: N images, ``images[i]`` is ``(H, W, C)`` uint8; sizes may differ between files.
        label: ``(N,)`` int64 in ``[0, C)``, the label as the data set ships it.
        classes: Names of the C classes.
        columns: Whatever else is known of each image, N values a column (a manifest's extra
            columns; ``path`` where the images are files).
        flips: Whether a mirrored image keeps its label (digits and letters do not).
        origin: Where the images stood in the set that :meth:`take` took them from, through any
            number of takes; None for a whole set.
    """

    images: Images
    label: IntArray
    classes: tuple[str, ...]
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    flips: bool = True
    origin: Origin | None = None

    def __post_init__(self) -> None:
        count = len(self.images)
        if self.label.shape != (count,):
            raise ValueError(
                f"Expected one label for each of the {count} images, "
                f"but got shape {self.label.shape}"
            )
        if count and not 0 <= int(self.label.min()) <= int(self.label.max()) < len(self.classes):
            raise ValueError(
                f"Expected labels in [0, {len(self.classes)}), but got "
                f"{int(self.label.min())} to {int(self.label.max())}"
            )
        for name, column in self.columns.items():
            if len(column) != count:
                raise ValueError(
                    f"Expected {count} values in column `{name}`, but got {len(column)}"
                )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, index: IntArray) -> SampleSet:
        """The images at these positions, in this order, without reading them."""
        if self.origin is None:
            origin = Origin(np.asarray(index, dtype=np.int64), len(self))
        else:
            origin = Origin(self.origin.index[index], self.origin.size)
        return SampleSet(
            images=Subset(self.images, index),
            label=self.label[index],
            classes=self.classes,
            columns={name: column[index] for name, column in self.columns.items()},
            flips=self.flips,
            origin=origin,
        )


class Subset:
    """Some of the images of another sequence, read when asked for.

    Args:
        images: Where the images are.
        index: ``(n,)`` int64 positions in ``images``.
    """

    def __init__(self, images: Images, index: IntArray) -> None:
        inner = images if isinstance(images, Subset) else None
        self.images: Images = images if inner is None else inner.images
        self.index: IntArray = np.asarray(index if inner is None else inner.index[index], np.int64)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, position: int) -> ImageArray:
        return self.images[int(self.index[position])]
