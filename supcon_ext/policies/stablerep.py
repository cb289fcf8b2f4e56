"""StableRep's augmentation of generated pictures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from supcon_ext.policies.base import View, ViewContext, check_bounds, policy
from supcon_ext.policies.colour import blur as blur_steps
from supcon_ext.policies.colour import colour_distortion, without_colour
from supcon_ext.policies.crops import resized_crop
from supcon_ext.policies.pipeline import Pipeline
from supcon_ext.policies.resampling import down_and_up


@policy("stablerep")
def stablerep(
    context: ViewContext,
    *,
    min_scale: Annotated[float, Field(gt=0, le=1)] = 0.08,
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.8,
    grey: Annotated[float, Field(ge=0, le=1)] = 0.2,
    blur: Annotated[float, Field(ge=0, le=1)] = 0.5,
    downsample: Annotated[float, Field(ge=0, le=1)] = 0.05,
) -> View:
    """StableRep (Tian et al. 2023): down and up at times, then crop, flip, jitter, grey, blur.

    The first step hides the resolution at which pictures were generated. Where there are not three
    channels, the jitter moves brightness and contrast alone, and ``grey`` does nothing.

    Args:
        context: Output size, channels, flips and statistics.
        min_scale: Least share of the area that the crop keeps.
        jitter: Probability of the colour jitter, of ranges 0.4, 0.4, 0.4, 0.1.
        grey: Probability of dropping the colour.
        blur: Probability of the Gaussian blur.
        downsample: Probability of going down to a quarter or half of the side and up again.

    Raises:
        ValueError: A parameter is out of its bounds.
    """
    check_bounds("min_scale", min_scale, 0, 1)
    for name, value in {"jitter": jitter, "grey": grey, "blur": blur}.items():
        check_bounds(name, value, 0, 1)
    check_bounds("downsample", downsample, 0, 1)
    steps = [
        *down_and_up(downsample),
        *resized_crop(context, min_scale),
        *colour_distortion(context, 1.0, jitter, grey),
        *blur_steps(context, blur),
    ]
    return Pipeline(steps, context, without_colour(context, 1.0, jitter, grey))
