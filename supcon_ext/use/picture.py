"""One picture as people have it, made what an encoder was trained on.

It is the bytes of an image file, a Pillow image, an array ``(H, W)`` or ``(H, W, C)``, or a torch
tensor ``(C, H, W)``. For an encoder of 8-bit pictures, of one or three channels, it becomes grey or
coloured by one rule, see :mod:`data_tools.picture`. For any other encoder it must have the channels
and the type of numbers of training.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from data_tools.picture import pixels_of
from data_tools.samples import ImageArray
from data_tools.stored_picture import depth_of, stored_pixels
from supcon_ext.experiment.preprocessing import Preprocessing

AS_PICTURES = (1, 2, 3, 4)
"""Channels of an array that Pillow takes for a picture."""


def as_picture(item: Any, wanted: Preprocessing) -> ImageArray:
    """One picture that is no file, ``(H, W, C)`` of the encoder's channels and type.

    Raises:
        ValueError: It does not fit.
        Exception: Whatever a decoder raises for damaged bytes.
    """
    from PIL import Image

    if isinstance(item, (bytes, bytearray, memoryview)):
        if wanted.mode == "stored":
            return _exactly(stored_pixels(io.BytesIO(item)), wanted)
        with Image.open(io.BytesIO(item)) as opened:
            return pixels_of(opened, wanted.mode)
    if isinstance(item, Image.Image):
        if wanted.mode != "stored":
            return pixels_of(item, wanted.mode)
        item = np.asarray(item)
    pixels = array_of(item, wanted)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or 0 in pixels.shape:
        raise ValueError(f"got an array of shape {pixels.shape}. Try: (height, width, channels)")
    return _exactly(pixels, wanted) if wanted.mode == "stored" else _eight_bits(pixels, wanted)


def _exactly(pixels: npt.NDArray[Any], wanted: Preprocessing) -> ImageArray:
    """Numbers as they are, of the right type and channels."""
    dtype = depth_of(pixels.dtype)
    if (pixels.shape[2], dtype) != (wanted.channels, wanted.dtype):
        raise ValueError(
            f"got {pixels.shape[2]} of {pixels.dtype}. Try: pictures like those of training"
        )
    made: ImageArray = np.ascontiguousarray(pixels, dtype=dtype)
    if dtype == "float32" and not (0 <= made.min() and made.max() <= wanted.scale):  # or NaN
        raise ValueError(
            f"got numbers from {made.min():.4g} to {made.max():.4g}. "
            f"Try: those in which {wanted.scale:g} stands for 1, as in training"
        )
    return made


def _eight_bits(pixels: npt.NDArray[Any], wanted: Preprocessing) -> ImageArray:
    """Grey or colour from whole numbers of 8 or 16 bits."""
    from PIL import Image

    if pixels.dtype.kind not in "ui":
        raise ValueError(
            f"got {pixels.dtype} numbers, which may mean 0 to 1 or 0 to 255. "
            "Try: (255 * x).round().astype('uint8') of 0 to 1"
        )
    if pixels.shape[2] not in AS_PICTURES:
        raise ValueError(
            f"got {pixels.shape[2]} channels. Try: grey or colour, (height, width, channels)"
        )
    if pixels.dtype == np.uint16:
        pixels = np.round(pixels.astype(np.float64) / 257).astype(np.uint8)
    elif pixels.dtype != np.uint8:
        if pixels.min() < 0 or pixels.max() > 255:
            raise ValueError(
                f"got numbers from {pixels.min()} to {pixels.max()}. Try: 0 to 255, or uint16"
            )
        pixels = pixels.astype(np.uint8)
    if pixels.shape[2] == wanted.channels:
        made: ImageArray = np.ascontiguousarray(pixels)
        return made
    shown = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    return pixels_of(Image.fromarray(np.ascontiguousarray(shown)), wanted.mode)


def array_of(item: Any, wanted: Preprocessing) -> npt.NDArray[Any]:
    """An array with the channels last, where there are any.

    Raises:
        ValueError: It holds no numbers.
    """
    if isinstance(item, torch.Tensor):
        found: npt.NDArray[Any] = item.detach().cpu().numpy()
        channels_first = found.ndim >= 3 and found.shape[-3] in {*AS_PICTURES, wanted.channels}
        return np.moveaxis(found, -3, -1) if channels_first else found
    made = np.asarray(item)
    if made.dtype.kind not in "uifb":
        raise ValueError(
            f"got {type(item).__name__}. Try: a path, a Pillow image, or an array of numbers"
        )
    return made
