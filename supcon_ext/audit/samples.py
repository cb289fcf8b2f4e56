"""The images under audit: those of training, then those of validation, with given labels alone.

There is no place for true labels here, so nothing of an audit can look at them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from data_tools.bad_image import BadImageError
from data_tools.image_files import ImageFiles
from data_tools.prepared import PreparedData
from data_tools.samples import ImageArray, IntArray, SampleSet

logger = logging.getLogger(__name__)

NO_PICTURE = "the vectors have no column `path`, or no picture can be read there"
GREY, GREY_SIDE = 160, 24


@dataclass(frozen=True)
class AuditedSamples:
    """N images whose labels are in doubt.

    Attributes:
        train: The training images.
        validation: The validation images, whose labels come from the same source; or None.
        index: ``(N,)`` int64 place of each image in the data set's training set, as it came; of
            validation images that were shipped apart, in the validation set.
        shipped_apart: Whether the validation images were shipped apart from the training set.
    """

    train: SampleSet
    validation: SampleSet | None
    index: IntArray
    shipped_apart: bool

    @staticmethod
    def of(data: PreparedData) -> AuditedSamples:
        """What an experiment trains and validates on, without its true labels."""
        parts = [data.origin]
        apart = data.validation is not None and data.validation_origin is None
        if data.validation_origin is not None:
            parts.append(data.validation_origin)
        elif data.validation is not None:
            parts.append(np.arange(len(data.validation)))
        return AuditedSamples(
            data.train, data.validation, np.concatenate(parts).astype(np.int64), apart
        )

    def __len__(self) -> int:
        return len(self.index)

    @property
    def parts(self) -> tuple[SampleSet, ...]:
        """The training images, and the validation images where there are any."""
        return (self.train,) if self.validation is None else (self.train, self.validation)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the C classes."""
        return self.train.classes

    @property
    def label(self) -> IntArray:
        """``(N,)`` int64 given labels."""
        return np.concatenate([part.label for part in self.parts])

    @property
    def split(self) -> list[str]:
        """``train`` or ``validation`` for each image."""
        validation = 0 if self.validation is None else len(self.validation)
        return ["train"] * len(self.train) + ["validation"] * validation

    @property
    def paths(self) -> list[str] | None:
        """File of each image; None where the images are no files."""
        if any("path" not in part.columns for part in self.parts):
            return None
        return [str(path) for part in self.parts for path in part.columns["path"]]

    def names(self) -> list[str | int]:
        """What each image is called: its file, or its index (``validation/3`` if shipped apart)."""
        if (paths := self.paths) is not None:
            return [*paths]
        count, index = len(self.train), self.index.tolist()
        if not self.shipped_apart:
            return [*index]
        return [*index[:count], *(f"validation/{place}" for place in index[count:])]

    def image(self, number: int) -> ImageArray:
        """Image ``number``, from 0 to N - 1, as ``(H, W, C)``; of a vector, what it was made of."""
        if self.train.spec.kind == "vector":
            return self._behind(number)
        if number < len(self.train):
            return self.train[number]
        return self.parts[1][number - len(self.train)]

    def _behind(self, number: int) -> ImageArray:
        """The picture behind a vector; a grey square where none can be found."""
        try:
            if (paths := self.paths) is not None:
                return ImageFiles([paths[number]])[0]
        except BadImageError:
            pass
        logger.warning("grey squares stand for pictures: %s", NO_PICTURE)
        return np.full((GREY_SIDE, GREY_SIDE, 1), GREY, dtype=np.uint8)
