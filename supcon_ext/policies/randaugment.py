"""RandAugment: a few operations drawn at random, all at one magnitude."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from data_tools.samples import ImageArray
from supcon_ext.policies.base import View, ViewContext, check_bounds, policy
from supcon_ext.policies.crops import usual_crop
from supcon_ext.policies.cutout import cutout as cutout_steps
from supcon_ext.policies.operations import OPERATIONS, impossible, operate
from supcon_ext.policies.pipeline import Draws, Pipeline

MAX_MAGNITUDE = 10.0
NAMES = tuple(name for name in OPERATIONS if name != "Invert")  # the 14 of Cubuk et al. 2020


@dataclass(frozen=True)
class RandomOperations:
    """Apply ``count`` operations, drawn with replacement, one after the other.

    Attributes:
        names: The operations to draw from.
        count: How many to apply.
        magnitude: Their strength, 0 to 10.
        magnitude_std: Standard deviation of the strength of each; clipped to [0, 10].
        fill: Colour of the pixels that a shift leaves empty.
    """

    names: tuple[str, ...]
    count: int
    magnitude: float
    magnitude_std: float
    fill: tuple[float, ...]

    def __call__(self, image: ImageArray, draws: Draws) -> ImageArray:
        """Apply them to ``image``, ``(H, W, C)``."""
        for _ in range(self.count):
            name = draws.python.choice(self.names)
            magnitude = self.magnitude
            if self.magnitude_std:
                magnitude = draws.python.gauss(magnitude, self.magnitude_std)
            level = min(max(magnitude / MAX_MAGNITUDE, 0.0), 1.0)
            image = operate(name, image, draws.python.choice((-level, level)), self.fill)
        return image


def random_operations(
    context: ViewContext, count: int, magnitude: float | None, magnitude_std: float
) -> RandomOperations:
    """The step of :func:`randaugment`; without the operations that the images cannot have.

    Raises:
        ValueError: A parameter is out of its bounds.
    """
    if magnitude is None:
        magnitude = 5.0 if context.small else 9.0
    check_bounds("count", count, 0, 10)
    check_bounds("magnitude", magnitude, 0, MAX_MAGNITUDE)
    check_bounds("magnitude_std", magnitude_std, 0, MAX_MAGNITUDE)
    names = tuple(name for name in NAMES if name not in impossible(context))
    return RandomOperations(names, count, magnitude, magnitude_std, context.fill)


@policy("randaugment")
def randaugment(
    context: ViewContext,
    *,
    count: Annotated[int, Field(ge=0, le=10)] = 2,
    magnitude: Annotated[float, Field(ge=0, le=10)] | None = None,
    magnitude_std: Annotated[float, Field(ge=0, le=10)] = 0.0,
    min_scale: Annotated[float, Field(gt=0, le=1)] = 0.08,
    cutout: Annotated[float, Field(ge=0, le=1)] = 0.0,
) -> View:
    """Crop and flip, then random operations of one magnitude (Cubuk et al. 2020), then Cutout.

    Magnitudes are on the paper's scale of 0 to 10. As is usual since, the effect grows with the
    magnitude for all operations (in the first code, Posterize and Solarize fade and the colour
    operations are neutral at 5). AutoContrast and Equalize have no magnitude. The operation Color
    is left out where there are not three channels, Posterize and Equalize where there are more than
    8 bits; the others then act on each channel by itself.

    Args:
        context: Output size, channels, flips and statistics.
        count: Operations a view (N of the paper).
        magnitude: Their strength (M of the paper). None is 5 up to 64 pixels and 9 above: the
            paper's for WRN-28-10 on CIFAR-10 and for ResNet-50 on ImageNet.
        magnitude_std: Standard deviation of the strength, drawn for each operation.
        min_scale: Least share of the area that the resized crop keeps; unused up to 64 pixels,
            where the crop is padded.
        cutout: Side of the square that Cutout covers, as a share of the image's (0.5 is the usual
            16 of 32 pixels); 0 is none.

    Raises:
        ValueError: A parameter is out of its bounds.
    """
    check_bounds("min_scale", min_scale, 0, 1)
    check_bounds("cutout", cutout, 0, 1)
    steps = [
        *usual_crop(context, min_scale),
        random_operations(context, count, magnitude, magnitude_std),
        *cutout_steps(context, cutout),
    ]
    return Pipeline(steps, context, impossible(context) if count else ())
