"""No augmentation: what evaluation uses."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from supcon_ext.policies.base import View, ViewContext, check_bounds, policy
from supcon_ext.policies.pipeline import Pipeline, transform


@policy("none")
def none(
    context: ViewContext,
    *,
    crop_fraction: Annotated[float, Field(ge=0.1, le=1)] | None = None,
) -> View:
    """Resize the short side, then crop the centre; the same pixels for every key.

    Args:
        context: Output size, channels and statistics.
        crop_fraction: Share of the resized short side that the crop keeps. None is 1 up to 64
            pixels and 0.875 above (256 to 224, the ImageNet convention).

    Raises:
        ValueError: ``crop_fraction`` is not in [0.1, 1].
    """
    if crop_fraction is None:
        crop_fraction = 1.0 if context.small else 0.875
    check_bounds("crop_fraction", crop_fraction, 0.1, 1)
    size = context.size
    resize = transform(
        "SmallestMaxSize", max_size=round(size / crop_fraction), area_for_downscale="image"
    )
    return Pipeline([resize, transform("CenterCrop", height=size, width=size)], context)
