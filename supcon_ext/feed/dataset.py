"""Data sets of views: an image and a key in, pixels out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from data_tools.bad_image import GoneImageError
from data_tools.samples import ImageArray, SampleSet
from supcon_ext.policies.base import View


class ViewDataset(Dataset[tuple[Tensor, int]]):
    """Several views of each training image, addressed by ``(epoch, index)``.

    View v of sample ``index`` in epoch e is drawn with the key ``(seed, e, index, v)`` and nothing
    else, so neither the number of workers or processes nor a resume in mid-epoch changes a pixel.

    Args:
        images: The training images.
        views: V views; one policy may stand there several times.
        seed: The run's seed.

    Raises:
        ValueError: No views, or a negative seed.
    """

    def __init__(self, images: SampleSet, views: Sequence[View], seed: int) -> None:
        if not views:
            raise ValueError("Expected at least one view in argument `views`, but got none")
        if seed < 0:
            raise ValueError(f"Expected a non-negative argument `seed`, but got {seed}")
        self.images = images
        self.views = tuple(views)
        self.seed = seed

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, key: tuple[int, ...]) -> tuple[Tensor, int]:
        """The views of one sample.

        Args:
            key: ``(epoch, index)``; a third number tells apart the draws of a sample that an epoch
                repeats (see :class:`~supcon_ext.feed.loader.EpochBatches`).

        Returns:
            Views ``(V, C, H, W)`` float32, and ``index``; or those of a blank, and ``~index``, if
            the image is bad and such are skipped.
        """
        epoch, index, *repeat = key
        image, told = _image_or_blank(self.images, index)
        views = [
            view(image, (self.seed, epoch, index, number, *repeat))
            for number, view in enumerate(self.views)
        ]
        return torch.stack(views), told


class PlainDataset(Dataset[tuple[Tensor, int]]):
    """One view of each image, addressed by index: for evaluation.

    Args:
        images: The images.
        view: Usually the policy ``none``. Image ``index`` is drawn with the key ``(index,)``.
    """

    def __init__(self, images: SampleSet, view: View) -> None:
        self.images = images
        self.view = view

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """View ``(C, H, W)`` float32 of image ``index``, and ``index``; ``~index`` of a blank."""
        image, told = _image_or_blank(self.images, index)
        return self.view(image, (index,)), told


def _image_or_blank(images: SampleSet, index: int) -> tuple[ImageArray, int]:
    try:
        return images[index], index
    except GoneImageError as gone:
        return gone.blank, ~index
