"""Multi-crop: large views of most of a picture, and small views of small parts of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from supcon_ext.policies.base import View, ViewContext, check_bounds, policy
from supcon_ext.policies.colour import blur as blur_steps
from supcon_ext.policies.colour import colour_distortion, without_colour
from supcon_ext.policies.crops import resized_crop
from supcon_ext.policies.pipeline import OneOf, Pipeline, Step, transform
from supcon_ext.policies.resampling import down_and_up

SATURATION = 0.2
SMALL = 96 / 224
MULTIPLE = 4

Share = Annotated[float, Field(ge=0, le=1)]
Scale = Annotated[float, Field(gt=0, le=1)]


@policy("multi_crop_global")
def multi_crop_global(
    context: ViewContext,
    *,
    min_scale: Scale = 0.32,
    max_scale: Scale = 1.0,
    jitter: Share = 0.8,
    grey: Share = 0.2,
    second: Share = 0.5,
    downsample: Share = 0.0,
) -> View:
    """The global crops of SynCLR (Tian et al. 2023) and DINOv2: most of the picture, at full size.

    Two kinds: one is always blurred, the other with probability 0.1, and solarised with probability
    0.2 (BYOL, Grill et al. 2020). The authors' code gives two global views of an image one of each
    kind: two view groups with ``second`` 0 and 1 do.

    Args:
        context: Output size, channels, flips and statistics.
        min_scale: Least share of the area that the crop keeps.
        max_scale: Largest share.
        jitter: Probability of the colour jitter, of ranges 0.4, 0.4, 0.2, 0.1.
        grey: Probability of dropping the colour.
        second: Share of views of the second kind.
        downsample: Probability of going down to a quarter or half of the side and up again first.

    Raises:
        ValueError: A parameter is out of its bounds.
    """
    check_bounds("second", second, 0, 1)
    solarised = transform("Solarize", threshold_range=(0.5, 0.5), p=0.2)
    kinds = (tuple(blur_steps(context, 1.0)), (*blur_steps(context, 0.1), solarised))
    last = OneOf(kinds, (1 - second, second))
    return _crop(context, (min_scale, max_scale), jitter, grey, downsample, last)


@policy("multi_crop_local")
def multi_crop_local(
    context: ViewContext,
    *,
    size: Annotated[int, Field(ge=4, le=2**13)] | None = None,
    min_scale: Scale = 0.08,
    max_scale: Scale = 0.32,
    jitter: Share = 0.8,
    grey: Share = 0.2,
    blur: Share = 0.5,
    downsample: Share = 0.0,
) -> View:
    """The local crops of SynCLR (Tian et al. 2023) and DINOv2: small parts, at a smaller size.

    Args:
        context: Channels, flips and statistics.
        size: Side of the view in pixels; null for 96 of 224 of the data's, made a multiple of 4. A
            transformer takes multiples of its patch.
        min_scale: Least share of the area that the crop keeps.
        max_scale: Largest share.
        jitter: Probability of the colour jitter, of ranges 0.4, 0.4, 0.2, 0.1.
        grey: Probability of dropping the colour.
        blur: Probability of the Gaussian blur.
        downsample: Probability of going down to a quarter or half of the side and up again first.

    Raises:
        ValueError: A parameter is out of its bounds.
    """
    check_bounds("blur", blur, 0, 1)
    if size is None:
        size = max(MULTIPLE, MULTIPLE * round(SMALL * context.size / MULTIPLE))
    small = replace(context, size=size)
    last = OneOf((tuple(blur_steps(small, blur)),), (1.0,))
    return _crop(small, (min_scale, max_scale), jitter, grey, downsample, last)


def _crop(
    context: ViewContext,
    scale: tuple[float, float],
    jitter: float,
    grey: float,
    downsample: float,
    last: Step,
) -> Pipeline:
    for name, value in {"jitter": jitter, "grey": grey, "downsample": downsample}.items():
        check_bounds(name, value, 0, 1)
    if not 0 < scale[0] <= scale[1] <= 1:
        raise ValueError(
            f"Expected `min_scale` of at most `max_scale`, both in (0, 1], but got {scale[0]} and "
            f"{scale[1]}. Try: the two exchanged"
        )
    steps = [
        *down_and_up(downsample),
        *resized_crop(context, *scale),
        *colour_distortion(context, 1.0, jitter, grey, SATURATION),
        last,
    ]
    return Pipeline(steps, context, without_colour(context, 1.0, jitter, grey))
