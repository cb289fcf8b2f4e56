"""Stacked RandAugment: RandAugment twice, inside SimAugment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from supcon_ext.policies.base import View, ViewContext, check_bounds, policy
from supcon_ext.policies.colour import blur as blur_steps
from supcon_ext.policies.colour import colour_distortion, without_colour
from supcon_ext.policies.crops import resized_crop
from supcon_ext.policies.operations import impossible
from supcon_ext.policies.pipeline import Pipeline
from supcon_ext.policies.randaugment import random_operations

JITTER, GREY = 0.8, 0.2  # probabilities


@policy("stacked_randaugment")
def stacked_randaugment(
    context: ViewContext,
    *,
    count: Annotated[int, Field(ge=0, le=10)] = 2,
    magnitude: Annotated[float, Field(ge=0, le=10)] | None = None,
    magnitude_std: Annotated[float, Field(ge=0, le=10)] = 0.0,
    min_scale: Annotated[float, Field(gt=0, le=1)] = 0.2,
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0,
    blur: Annotated[float, Field(ge=0, le=1)] | None = None,
) -> View:
    """Resized crop, flip, RandAugment twice, colour jitter, grey, blur (Tian et al. 2020).

    "What makes for good views for contrastive learning?"; the strong augmentation of SupCon's
    deeper ResNets. Where there are not three channels, the operation Color and the colour drop are
    left out, and the jitter moves brightness and contrast alone; where there are more than 8 bits,
    Posterize and Equalize are left out.

    Args:
        context: Output size, channels, flips and statistics.
        count: Operations of each of the two RandAugments.
        magnitude: Their strength, 0 to 10, as for ``randaugment``.
        magnitude_std: Standard deviation of the strength, drawn for each operation.
        min_scale: Least share of the area that the crop keeps.
        strength: Factor on the jitter ranges 0.4, 0.4, 0.4, 0.1.
        blur: Probability of the Gaussian blur. None is 0 up to 64 pixels and 0.5 above.

    Raises:
        ValueError: A parameter is out of its bounds.
    """
    check_bounds("min_scale", min_scale, 0, 1)
    check_bounds("strength", strength, 0, 2)
    check_bounds("blur", blur or 0, 0, 1)
    operations = random_operations(context, count, magnitude, magnitude_std)
    steps = [
        *resized_crop(context, min_scale),
        operations,
        operations,
        *colour_distortion(context, strength, JITTER, GREY),
        *blur_steps(context, blur),
    ]
    left_out = impossible(context) if count else ()
    return Pipeline(steps, context, (*left_out, *without_colour(context, strength, JITTER, GREY)))
