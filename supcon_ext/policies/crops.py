"""The crops that every policy begins with."""

from __future__ import annotations

from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.pipeline import Step, transform


def resized_crop(context: ViewContext, min_scale: float, max_scale: float = 1.0) -> list[Step]:
    """A random part of the area, of aspect 3:4 to 4:3, resized, then a flip.

    Args:
        context: Gives the size.
        min_scale: Least share of the area.
        max_scale: Largest share.
    """
    crop = transform(
        "RandomResizedCrop",
        size=(context.size, context.size),
        scale=(min_scale, max_scale),
        area_for_downscale="image",
    )
    return [crop, *flip(context)]


def padded_crop(context: ViewContext) -> list[Step]:
    """Shift by up to an eighth of the side (4 of 32 pixels), the border reflected, then a flip."""
    import cv2

    size = context.size
    return [
        transform("SmallestMaxSize", max_size=size, area_for_downscale="image"),
        transform("Pad", padding=size // 8, border_mode=cv2.BORDER_REFLECT_101, p=1.0),
        transform("RandomCrop", height=size, width=size),
        *flip(context),
    ]


def usual_crop(context: ViewContext, min_scale: float) -> list[Step]:
    """What classification uses: :func:`padded_crop` for small images, else :func:`resized_crop`."""
    return padded_crop(context) if context.small else resized_crop(context, min_scale)


def flip(context: ViewContext) -> list[Step]:
    """Left and right exchanged in half of the views; nothing where the data forbid it."""
    return [transform("HorizontalFlip", p=0.5)] if context.flips else []
