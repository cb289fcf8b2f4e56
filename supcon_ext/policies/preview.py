"""A picture of what a policy does: samples down, views across."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_tools.samples import ImageArray, SampleSet
from supcon_ext.policies.base import View, ViewContext

TILE_SIDE = 64  # small views are enlarged to at least this many pixels
GAP = 2


def preview_grid(
    images: SampleSet,
    views: Sequence[View],
    count: int,
    path: Path | str,
    *,
    context: ViewContext,
    seed: int = 0,
) -> Path:
    """Write a PNG: one row a sample, one column a view, drawn as in epoch 0.

    Args:
        images: Where the samples come from; ``count`` of them, evenly spaced.
        views: The columns.
        count: The rows; fewer where there are fewer images.
        path: File to write; its folder is made.
        context: What the views were made with; undoes their normalisation.
        seed: Part of the keys, as in a run with this seed.

    Returns:
        The path written.

    Raises:
        ValueError: No images, no views or no rows.
    """
    if not len(images) or not views or count < 1:
        raise ValueError(
            "Expected at least one image, one view and one row to show, "
            f"but got {len(images)}, {len(views)} and {count}"
        )
    from PIL import Image

    chosen = np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)
    enlarge = -(-TILE_SIDE // context.size)
    pitch = context.size * enlarge + GAP
    sheet = np.full((len(chosen) * pitch + GAP, len(views) * pitch + GAP, 3), 255, dtype=np.uint8)
    for row, index in enumerate(chosen.tolist()):
        for column, view in enumerate(views):
            tile = _pixels(view, images[index], (seed, 0, index, column), context)
            tile = tile.repeat(enlarge, axis=0).repeat(enlarge, axis=1)
            top, left = row * pitch + GAP, column * pitch + GAP
            sheet[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path, format="PNG")
    return path


def _pixels(
    view: View, image: ImageArray, key: tuple[int, ...], context: ViewContext
) -> ImageArray:
    normalised_HWC = view(image, key).numpy().transpose(1, 2, 0)
    unit_HWC = normalised_HWC * np.asarray(context.std) + np.asarray(context.mean)
    pixels: ImageArray = (unit_HWC.clip(0, 1) * 255).round().astype(np.uint8)
    return pixels
