"""The weak augmentation of supervised training."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from supcon_ext.policies.base import View, ViewContext, check_bounds, policy
from supcon_ext.policies.crops import usual_crop
from supcon_ext.policies.cutout import cutout as cutout_steps
from supcon_ext.policies.pipeline import Pipeline


@policy("weak")
def weak(
    context: ViewContext,
    *,
    min_scale: Annotated[float, Field(gt=0, le=1)] = 0.08,
    cutout: Annotated[float, Field(ge=0, le=1)] = 0.0,
) -> View:
    """Crop and flip: padded crop up to 64 pixels, random resized crop above.

    The padding is an eighth of the side, 4 of 32 pixels (He et al. 2016, section 4.2), reflected.

    Args:
        context: Output size, channels, flips and statistics.
        min_scale: Least share of the area that the resized crop keeps; unused up to 64 pixels.
        cutout: Side of the square that Cutout covers, as a share of the image's; 0 is none.

    Raises:
        ValueError: A share is not in [0, 1].
    """
    check_bounds("min_scale", min_scale, 0, 1)
    check_bounds("cutout", cutout, 0, 1)
    return Pipeline([*usual_crop(context, min_scale), *cutout_steps(context, cutout)], context)
