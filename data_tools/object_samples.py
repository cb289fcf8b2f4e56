"""Samples of an object that gives them by index: a torch or Hugging Face data set, or a list."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.input_spec import MOST_CHANNELS
from data_tools.picture import Mode, pixels_of
from data_tools.samples import ImageArray
from data_tools.stored_picture import depth_of


class ObjectSamples:
    """Pictures or vectors, read from their object when asked for.

    Args:
        items: Anything with a length that gives an item by its place.
        part: Of an item, what is the sample: a place or a key; None takes the item itself.
        mode: How Pillow's pictures are read; see :func:`as_sample`.
        where: What they are, for messages.
    """

    def __init__(
        self, items: Any, part: Hashable = None, mode: Mode = "rgb", where: str = "the data"
    ) -> None:
        self.items = items
        self.part = part
        self.mode: Mode = mode
        self.where = where

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> ImageArray:
        return self.read(self.items[index], index)

    def read(self, item: Any, index: int) -> ImageArray:
        """The sample of an item that was taken from the object already.

        Raises:
            ValueError: It is no picture and no vector.
        """
        value = item if self.part is None else item[self.part]
        return as_sample(value, self.mode, f"item {index} of {self.where}")


def as_sample(value: Any, mode: Mode, where: str) -> ImageArray:
    """One picture ``(H, W, C)`` or vector ``(F,)``, whatever holds it.

    Args:
        value: A picture of Pillow's; a torch tensor ``(C, H, W)``, ``(H, W)`` or ``(F,)``; an array
            ``(H, W, C)``, ``(H, W)`` or ``(F,)``, or a list of numbers.
        mode: ``rgb`` or ``grey`` for pictures of Pillow's; ``stored`` keeps their channels.
        where: What it is, for the message.

    Raises:
        ValueError: It is none of these.
    """
    if hasattr(value, "getbands"):
        if mode == "stored":
            return _checked(np.asarray(value), where)
        try:
            return pixels_of(value, mode)
        except ValueError as error:
            raise ValueError(f"Expected a picture as {where}, but {error}.") from error
    if hasattr(value, "detach"):
        tensor = value.detach().cpu()
        array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
        return _checked(array.transpose(1, 2, 0) if array.ndim == 3 else array, where)
    if isinstance(value, list):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        return _checked(value, where)
    raise ValueError(
        f"Expected a picture or a vector as {where}, but got {type(value).__name__}. "
        "Try: a PIL image, a tensor (C, H, W), an array (H, W, C), or floats (F,)"
    )


def _checked(array: npt.NDArray[Any], where: str) -> ImageArray:
    try:
        depth = depth_of(array.dtype)
    except ValueError as error:
        raise ValueError(
            f"Expected numbers of uint8, uint16 or floats as {where}, but {error}. "
            "Try: x.astype('uint8') if they are 0 to 255, or 'float32' if they are in [0, 1]"
        ) from error
    made: ImageArray = array.astype(depth, copy=False)
    if made.ndim == 1 and depth == "float32" and made.size:
        return made
    made = made[:, :, None] if made.ndim == 2 else made
    if made.ndim != 3 or not made.size or made.shape[2] > MOST_CHANNELS:
        raise ValueError(
            f"Expected a picture (H, W) or (H, W, C) of at most {MOST_CHANNELS} channels, or a "
            f"vector of floats (F,), as {where}, but got {array.dtype} {array.shape}. "
            "Try: x.transpose(1, 2, 0) for an array (C, H, W)"
        )
    return made
