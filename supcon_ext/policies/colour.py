"""Colour distortion and blur as SimCLR has them (Chen et al. 2020, appendix A)."""

from __future__ import annotations

from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.pipeline import Step, transform


def colour_distortion(
    context: ViewContext, strength: float, jitter: float, grey: float
) -> list[Step]:
    """Jitter of brightness, contrast, saturation and hue in random order, then grey at times.

    Args:
        context: Grey images get brightness and contrast alone.
        strength: Factor on the ranges 0.4, 0.4, 0.4 and 0.1 (1 is strength 0.5 of SimCLR).
        jitter: Probability of the jitter.
        grey: Probability of dropping the colour.
    """
    colour = context.channels == 3
    steps = [
        transform(
            "ColorJitter",
            brightness=0.4 * strength,
            contrast=0.4 * strength,
            saturation=0.4 * strength if colour else 0.0,
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
