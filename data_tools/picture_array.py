"""Arrays of pictures: which shapes and types are some."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_tools.input_spec import MOST_CHANNELS
from data_tools.stored_picture import depth_of


def check_pictures(shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> None:
    """Refuse an array that is no pictures, by its shape and type alone.

    Args:
        shape: The array's.
        dtype: The array's.
        where: What it is, for the message.

    Raises:
        ValueError: It is not ``(N, H, W)`` or ``(N, H, W, C)`` of uint8, uint16 or floats.
    """
    try:
        depth_of(dtype)
    except ValueError as error:
        raise ValueError(
            f"Expected images of uint8, uint16 or floats in {where}, but got {dtype}. "
            "Try: x.astype('uint8') if they are 0 to 255, or 'float32' if they are in [0, 1]."
        ) from error
    if len(shape) not in (3, 4) or 0 in shape:
        raise ValueError(f"Expected images (N, H, W) or (N, H, W, C) in {where}, but got {shape}.")
    channels = shape[3] if len(shape) == 4 else 1
    first = len(shape) == 4 and shape[1] <= 4 < shape[2] == shape[3]  # (N, C, H, W), surely
    if channels > MOST_CHANNELS or first:
        raise ValueError(
            f"Expected 1 to {MOST_CHANNELS} channels in the last axis of {where}, but got {shape}. "
            "Try: x.transpose(0, 2, 3, 1)."
        )
