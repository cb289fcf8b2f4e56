"""Small pictures as text, for pages that load nothing from elsewhere."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt

from data_tools.samples import ImageArray

SIDE = 96
SMALL = 32
QUALITY = 80


def visible(image: ImageArray) -> npt.NDArray[np.uint8]:
    """An image for eyes: its first three channels, or the first of fewer, in 8 bits.

    What has more than 8 bits goes from the darkest to the brightest of what is shown, whatever part
    of its range that is.

    Args:
        image: ``(H, W, C)`` of any number of channels; uint8, uint16 or float32.
    """
    shown = image[:, :, : 3 if image.shape[2] >= 3 else 1]
    if shown.dtype == np.uint8:
        return np.ascontiguousarray(shown, dtype=np.uint8)
    low, high = float(shown.min()), float(shown.max())
    spread = high - low if high > low else 1.0
    return np.round((shown.astype(np.float64) - low) / spread * 255).astype(np.uint8)


def coded(image: ImageArray, side: int = SIDE) -> tuple[bytes, str]:
    """An image as a file: small ones as they are (PNG), others shrunk (JPEG).

    Args:
        image: ``(H, W, C)``; see :func:`visible`.
        side: Largest side of those that are shrunk, in pixels.

    Returns:
        The file's bytes, and ``png`` or ``jpeg``.
    """
    from PIL import Image

    pixels = visible(image)
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    written = io.BytesIO()
    if max(picture.size) <= SMALL:
        picture.save(written, "PNG", optimize=True)
        return written.getvalue(), "png"
    picture.thumbnail((side, side))
    picture.save(written, "JPEG", quality=QUALITY)
    return written.getvalue(), "jpeg"


def data_uri(image: ImageArray, side: int = SIDE) -> str:
    """An image as a ``data:`` address, see :func:`coded`."""
    content, kind = coded(image, side)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
