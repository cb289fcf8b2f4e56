"""What tells two samples apart whatever file they are in, and those that show nothing."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Flat = Literal["", "black", "constant"]


def digest_of(sample: npt.NDArray[Any]) -> str:
    """Equal for two samples exactly when shape, type and every number of them are."""
    head = f"{sample.shape}{sample.dtype.str}".encode()
    return hashlib.blake2b(head + sample.tobytes(), digest_size=16).hexdigest()


def flat(pixels: npt.NDArray[Any]) -> Flat:
    """Whether an image is of one colour.

    Args:
        pixels: ``(H, W, C)``.

    Returns:
        ``black`` where every number is 0, ``constant`` where every pixel is as the first, or empty.
    """
    if not bool((pixels == pixels[:1, :1]).all()):
        return ""
    return "constant" if bool(np.any(pixels[0, 0])) else "black"
