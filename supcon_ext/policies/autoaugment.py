"""AutoAugment: pairs of operations found by search on CIFAR-10 and on ImageNet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from data_tools.samples import ImageArray
from supcon_ext.policies.base import View, ViewContext, check_bounds, policy
from supcon_ext.policies.colour import blur as blur_steps
from supcon_ext.policies.crops import usual_crop
from supcon_ext.policies.cutout import cutout as cutout_steps
from supcon_ext.policies.operations import impossible, operate
from supcon_ext.policies.pipeline import Draws, Pipeline

Choice = tuple[str, float, int]  # operation, probability, magnitude 0 to 9
SubPolicy = tuple[Choice, Choice]

MAX_MAGNITUDE = 9

# Tables 7 and 9 of Cubuk et al. 2019. AutoContrast, Equalize and Invert have no magnitude.
CIFAR10: tuple[SubPolicy, ...] = (
    (("Invert", 0.1, 0), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, 0), ("Equalize", 0.9, 0)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, 0), ("Equalize", 0.5, 0)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, 0), ("AutoContrast", 0.4, 0)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, 0)),
    (("Equalize", 0.2, 0), ("AutoContrast", 0.6, 0)),
    (("Equalize", 0.2, 0), ("Equalize", 0.6, 0)),
    (("Color", 0.9, 9), ("Equalize", 0.6, 0)),
    (("AutoContrast", 0.8, 0), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, 0)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, 0), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, 0), ("Invert", 0.1, 0)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, 0)),
)

IMAGENET: tuple[SubPolicy, ...] = (
    (("Posterize", 0.4, 8), ("Rotate", 0.6, 9)),
    (("Solarize", 0.6, 5), ("AutoContrast", 0.6, 0)),
    (("Equalize", 0.8, 0), ("Equalize", 0.6, 0)),
    (("Posterize", 0.6, 7), ("Posterize", 0.6, 6)),
    (("Equalize", 0.4, 0), ("Solarize", 0.2, 4)),
    (("Equalize", 0.4, 0), ("Rotate", 0.8, 8)),
    (("Solarize", 0.6, 3), ("Equalize", 0.6, 0)),
    (("Posterize", 0.8, 5), ("Equalize", 1.0, 0)),
    (("Rotate", 0.2, 3), ("Solarize", 0.6, 8)),
    (("Equalize", 0.6, 0), ("Posterize", 0.4, 6)),
    (("Rotate", 0.8, 8), ("Color", 0.4, 0)),
    (("Rotate", 0.4, 9), ("Equalize", 0.6, 0)),
    (("Equalize", 0.0, 0), ("Equalize", 0.8, 0)),
    (("Invert", 0.6, 0), ("Equalize", 1.0, 0)),
    (("Color", 0.6, 4), ("Contrast", 1.0, 8)),
    (("Rotate", 0.8, 8), ("Color", 1.0, 2)),
    (("Color", 0.8, 8), ("Solarize", 0.8, 7)),
    (("Sharpness", 0.4, 7), ("Invert", 0.6, 0)),
    (("ShearX", 0.6, 5), ("Equalize", 1.0, 0)),
    (("Color", 0.4, 0), ("Equalize", 0.6, 0)),
    (("Equalize", 0.4, 0), ("Solarize", 0.2, 4)),
    (("Solarize", 0.6, 5), ("AutoContrast", 0.6, 0)),
    (("Invert", 0.6, 0), ("Equalize", 1.0, 0)),
    (("Color", 0.6, 4), ("Contrast", 1.0, 8)),
    (("Equalize", 0.8, 0), ("Equalize", 0.6, 0)),
)

POLICIES: Mapping[str, tuple[SubPolicy, ...]] = {"cifar10": CIFAR10, "imagenet": IMAGENET}


@dataclass(frozen=True)
class RandomSubPolicy:
    """Apply one of the pairs of operations, each of the two with its own probability.

    Attributes:
        choices: The pairs, all equally likely.
        fill: Colour of the pixels that a shift leaves empty.
        left_out: Operations that are passed over.
    """

    choices: tuple[SubPolicy, ...]
    fill: tuple[float, ...]
    left_out: tuple[str, ...] = ()

    def __call__(self, image: ImageArray, draws: Draws) -> ImageArray:
        """Apply a pair to ``image``, ``(H, W, C)``."""
        for name, probability, magnitude in draws.python.choice(self.choices):
            if draws.python.random() < probability:
                level = magnitude / MAX_MAGNITUDE
                level = draws.python.choice((-level, level))
                if name not in self.left_out:
                    image = operate(name, image, level, self.fill)
        return image


@policy("autoaugment")
def autoaugment(
    context: ViewContext,
    *,
    policy: Literal["cifar10", "imagenet"] | None = None,
    min_scale: Annotated[float, Field(gt=0, le=1)] = 0.08,
    blur: Annotated[float, Field(ge=0, le=1)] = 0.0,
    cutout: Annotated[float, Field(ge=0, le=1)] = 0.0,
) -> View:
    """Crop and flip, then a learnt pair of operations (Cubuk et al. 2019), then blur and Cutout.

    The operation Color is left out where there are not three channels, Posterize and Equalize where
    there are more than 8 bits; other operations then act on each channel by itself.

    Args:
        context: Output size, channels, flips and statistics.
        policy: Which of the two learnt policies. None is CIFAR-10's up to 64 pixels and ImageNet's
            above.
        min_scale: Least share of the area that the resized crop keeps; unused up to 64 pixels,
            where the crop is padded.
        blur: Probability of the Gaussian blur (SupCon on ImageNet: 0.5).
        cutout: Side of the square that Cutout covers, as a share of the image's (0.5 is the usual
            16 of 32 pixels on CIFAR); 0 is none.

    Raises:
        ValueError: No policy has this name, or a share is not in [0, 1].
    """
    check_bounds("min_scale", min_scale, 0, 1)
    check_bounds("blur", blur, 0, 1)
    check_bounds("cutout", cutout, 0, 1)
    if policy is None:
        policy = "cifar10" if context.small else "imagenet"
    if policy not in POLICIES:
        raise ValueError(
            f"Expected one of {', '.join(POLICIES)} of argument `policy`, but got {policy!r}"
        )
    left_out = impossible(context)
    steps = [
        *usual_crop(context, min_scale),
        RandomSubPolicy(POLICIES[policy], context.fill, left_out),
        *blur_steps(context, blur),
        *cutout_steps(context, cutout),
    ]
    return Pipeline(steps, context, left_out)
