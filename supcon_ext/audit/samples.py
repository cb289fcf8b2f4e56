"""The images under audit: of training, of validation, then of the test, with given labels alone.

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
            validation images that were shipped apart, in the validation set; of test images, in the
            test set.
        shipped_apart: Whether the validation images were shipped apart from the training set.
        test: The test images, or None. They are looked at, and have no say on any other image.
    """

    train: SampleSet
    validation: SampleSet | None
    index: IntArray
    shipped_apart: bool
    test: SampleSet | None = None

    @staticmethod
    def of(data: PreparedData) -> AuditedSamples:
        """What an experiment trains, validates and is tested on, without its true labels."""
        parts = [data.origin]
        apart = data.validation is not None and data.validation_origin is None
        if data.validation_origin is not None:
            parts.append(data.validation_origin)
        elif data.validation is not None:
            parts.append(np.arange(len(data.validation)))
        if data.test is not None:
            parts.append(np.arange(len(data.test)))
        index = np.concatenate(parts).astype(np.int64)
        return AuditedSamples(data.train, data.validation, index, apart, data.test)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def voters(self) -> int:
        """How many images have a say: those of training and validation, which come first."""
        return len(self.train) + (0 if self.validation is None else len(self.validation))

    @property
    def from_training(self) -> int:
        """How many images, the first ones, were taken from the data set's training set."""
        return len(self.train) if self.shipped_apart else self.voters

    @property
    def named_parts(self) -> dict[str, SampleSet]:
        """The images of training, of validation and of the test, where there are any."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def parts(self) -> tuple[SampleSet, ...]:
        """The images of training, of validation and of the test, where there are any."""
        return tuple(self.named_parts.values())

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
        """``train``, ``validation`` or ``test`` for each image."""
        return [name for name, part in self.named_parts.items() for _ in range(len(part))]

    @property
    def paths(self) -> list[str] | None:
        """File of each image; None where the images are no files."""
        if any("path" not in part.columns for part in self.parts):
            return None
        return [str(path) for part in self.parts for path in part.columns["path"]]

    def names(self) -> list[str | int]:
        """What each image is called: its file, or its index.

        Of what was shipped apart from the training set, the index is as ``validation/3``.
        """
        if (paths := self.paths) is not None:
            return [*paths]
        count, index, split = self.from_training, self.index.tolist(), self.split
        apart = (f"{split[i]}/{index[i]}" for i in range(count, len(self)))
        return [*index[:count], *apart]

    def image(self, number: int) -> ImageArray:
        """Image ``number``, from 0 to N - 1, as ``(H, W, C)``; of a vector, what it was made of."""
        if self.train.spec.kind == "vector":
            return self._behind(number)
        return self.sample(number)

    def sample(self, number: int) -> ImageArray:
        """Sample ``number``, from 0 to N - 1, as the data set has it: an image, or a vector."""
        for part in self.parts:
            if number < len(part):
                break
            number -= len(part)
        return part[number]

    def _behind(self, number: int) -> ImageArray:
        """The picture behind a vector; a grey square where none can be found."""
        try:
            if (paths := self.paths) is not None:
                return ImageFiles([paths[number]])[0]
        except BadImageError:
            pass
        logger.warning("grey squares stand for pictures: %s", NO_PICTURE)
        return np.full((GREY_SIDE, GREY_SIDE, 1), GREY, dtype=np.uint8)
