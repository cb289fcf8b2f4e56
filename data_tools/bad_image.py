"""What is raised for a file that cannot be read as an image, and how readers go on without it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from data_tools.input_spec import Depth
from data_tools.samples import ImageArray, SampleSequence

SIDE = 64


class BadImageError(ValueError):
    """A file cannot be read as an image. The message names it, and says why."""


class GoneImageError(BadImageError):
    """The same in a data set whose bad images are skipped: whoever reads goes on without it.

    Args:
        message: Which file it is, and why.
        channels: Of the data set's images.
        dtype: Of the data set's images.
    """

    def __init__(self, message: str, channels: int = 3, dtype: Depth = "uint8") -> None:
        super().__init__(message)
        self.channels = channels
        self.dtype = dtype

    @property
    def blank(self) -> ImageArray:
        """A black image, for whoever needs one in its place."""
        return np.zeros((SIDE, SIDE, self.channels), dtype=self.dtype)


def readable(images: SampleSequence, index: Iterable[int]) -> Iterator[ImageArray]:
    """The images at some positions, without those that are to be skipped since they are bad.

    Args:
        images: Where they are.
        index: Their positions.

    Raises:
        BadImageError: An image is bad, and bad images of the data set are not skipped.
    """
    for position in index:
        try:
            yield images[int(position)]
        except GoneImageError:
            continue
