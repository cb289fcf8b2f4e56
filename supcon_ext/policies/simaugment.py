"""SimAugment: the augmentation of SimCLR, and SupCon's on CIFAR."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from supcon_ext.policies.base import View, ViewContext, check_bounds, policy
from supcon_ext.policies.colour import blur as blur_steps
from supcon_ext.policies.colour import colour_distortion, without_colour
from supcon_ext.policies.crops import resized_crop
from supcon_ext.policies.pipeline import Pipeline


@policy("simaugment")
def simaugment(
    context: ViewContext,
    *,
    min_scale: Annotated[float, Field(gt=0, le=1)] = 0.2,
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0,
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.8,
    grey: Annotated[float, Field(ge=0, le=1)] = 0.2,
    blur: Annotated[float, Field(ge=0, le=1)] | None = None,
) -> View:
    """Random resized crop, flip, colour jitter, grey and blur (Chen et al. 2020, appendix A).

    Where there are not three channels, the jitter moves brightness and contrast alone, and ``grey``
    does nothing.

    Args:
        context: Output size, channels, flips and statistics.
        min_scale: Least share of the area that the crop keeps.
        strength: Factor on the jitter ranges 0.4, 0.4, 0.4, 0.1 (1 is strength 0.5 of SimCLR).
        jitter: Probability of the colour jitter.
        grey: Probability of dropping the colour.
        blur: Probability of the Gaussian blur. None is 0 up to 64 pixels and 0.5 above.

    Raises:
        ValueError: A parameter is out of its bounds.
    """
    check_bounds("min_scale", min_scale, 0, 1)
    check_bounds("strength", strength, 0, 2)
    check_bounds("jitter", jitter, 0, 1)
    check_bounds("grey", grey, 0, 1)
    check_bounds("blur", blur or 0, 0, 1)
    steps = [
        *resized_crop(context, min_scale),
        *colour_distortion(context, strength, jitter, grey),
        *blur_steps(context, blur),
    ]
    return Pipeline(steps, context, without_colour(context, strength, jitter, grey))
