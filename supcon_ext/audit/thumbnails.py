"""Small pictures as text, for pages that load nothing from elsewhere."""

from __future__ import annotations

import base64
import io

from data_tools.samples import ImageArray

SIDE = 96
SMALL = 32
QUALITY = 80


def data_uri(image: ImageArray) -> str:
    """An image as a ``data:`` address: small ones as they are (PNG), others shrunk (JPEG).

    Args:
        image: ``(H, W, C)`` uint8, C = 1 or 3.
    """
    from PIL import Image

    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    written = io.BytesIO()
    if max(picture.size) <= SMALL:
        picture.save(written, "PNG", optimize=True)
        kind = "png"
    else:
        picture.thumbnail((SIDE, SIDE))
        picture.save(written, "JPEG", quality=QUALITY)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(written.getvalue()).decode('ascii')}"
