"""Colour distortion and blur as SimCLR has them (Chen et al. 2020, appendix A)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data_tools.samples import ImageArray
from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.pipeline import Draws, Step, transform


@dataclass(frozen=True)
class ChannelJitter:
    """Brightness and contrast of images that are no colours, one after the other by chance.

    Contrast is the distance from a channel's own mean.

    Attributes:
        brightness: Factors are drawn from 1 less this to 1 more.
        contrast: The same.
        probability: Of changing anything.
    """

    brightness: float
    contrast: float
    probability: float

    def __call__(self, image: ImageArray, draws: Draws) -> ImageArray:
        """Change a copy of ``image``, ``(H, W, C)``."""
        if draws.python.random() >= self.probability:
            return image
        eight_bits = image.dtype == np.uint8
        most = 255.0 if eight_bits else 1.0
        made = image.astype(np.float32)
        ranges = [(self.brightness, False), (self.contrast, True)]
        draws.python.shuffle(ranges)
        for width, about_mean in ranges:
            factor = draws.python.uniform(max(0.0, 1 - width), 1 + width)
            centre = made.mean(axis=(0, 1)) if about_mean else np.float32(0)
            made = (centre + np.float32(factor) * (made - centre)).clip(0, most)
        if eight_bits:
            made = made.round()
        changed: ImageArray = made.astype(image.dtype)
        return changed


def without_colour(
    context: ViewContext, strength: float, jitter: float, grey: float
) -> tuple[str, ...]:
    """What :func:`colour_distortion` leaves out of what it was asked for."""
    if context.colour:
        return ()
    return (*(("saturation", "hue") if strength * jitter else ()), *(("to grey",) if grey else ()))


def colour_distortion(
    context: ViewContext, strength: float, jitter: float, grey: float, saturation: float = 0.4
) -> list[Step]:
    """Jitter of brightness, contrast, saturation and hue in random order, then grey at times.

    Args:
        context: Images of one channel get brightness and contrast alone; those of more than three,
            too, and of each channel by itself.
        strength: Factor on the ranges 0.4, 0.4, 0.4 and 0.1 (1 is strength 0.5 of SimCLR).
        jitter: Probability of the jitter.
        grey: Probability of dropping the colour.
        saturation: Its range at strength 1.
    """
    colour = context.colour
    if not colour and context.channels > 1:
        return [ChannelJitter(0.4 * strength, 0.4 * strength, jitter)]
    steps = [
        transform(
            "ColorJitter",
            brightness=0.4 * strength,
            contrast=0.4 * strength,
            saturation=saturation * strength if colour else 0.0,
            hue=0.1 * strength if colour else 0.0,
            p=jitter,
        )
    ]
    if colour:
        steps.append(transform("ToGray", p=grey))
    return steps


def blur(context: ViewContext, probability: float | None) -> list[Step]:
    """Gaussian blur, sigma in [0.1, 2], with a kernel of a tenth of the side (at least 3 pixels).

    Args:
        context: Gives the side.
        probability: None is 0 up to 64 pixels and 0.5 above.
    """
    if probability is None:
        probability = 0.0 if context.small else 0.5
    if probability == 0:
        return []
    kernel = max(3, 2 * (context.size // 20) + 1)
    return [
        transform(
            "GaussianBlur", blur_limit=(kernel, kernel), sigma_limit=(0.1, 2.0), p=probability
        )
    ]
