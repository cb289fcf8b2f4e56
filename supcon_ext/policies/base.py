"""What a view is, what it is told about the data, and the registry of view policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from data_tools.registry import Registry
from data_tools.samples import ImageArray

if TYPE_CHECKING:
    from torch import Tensor

SMALL_SIDE = 64  # up to this many pixels the literature pads and crops; above, it crops and resizes


class View(Protocol):
    """One way to turn an image into a picture for the network."""

    def __call__(self, image: ImageArray, key: tuple[int, ...], /) -> Tensor:
        """Draw one view.

        Args:
            image: ``(H, W, C)`` uint8, any size; never written to.
            key: Non-negative integers that decide every random draw: the same key, the same pixels.

        Returns:
            ``(C, size, size)`` float32, normalised.
        """
        ...


policy = Registry[View]("policy", "supcon_ext.policies")


@dataclass(frozen=True)
class ViewContext:
    """What every policy is told about the data set.

    Attributes:
        size: Side of the square output in pixels.
        channels: 1 (grey) or 3 (RGB).
        flips: Whether a mirrored image keeps its label.
        mean: Mean of each channel in [0, 1] units, subtracted from the view.
        std: Standard deviation of each channel in the same units, which divides the view.

    Raises:
        ValueError: A size, a channel count or a statistic that no image has.
    """

    size: int
    channels: int
    flips: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(
                f"Expected a positive number of pixels in argument `size`, but got {self.size}"
            )
        if self.channels not in (1, 3):
            raise ValueError(
                f"Expected 1 or 3 in argument `channels`, but got {self.channels}. "
                "Try: convert the images to grey or RGB"
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels:
                raise ValueError(
                    f"Expected one value a channel ({self.channels}) in argument `{name}`, "
                    f"but got {len(values)}"
                )
        if not all(0 <= value <= 1 for value in self.mean):
            raise ValueError(
                f"Expected values in [0, 1] of argument `mean`, but got {self.mean}. "
                "Try: divide statistics of uint8 pixels by 255"
            )
        if not all(value > 0 for value in self.std):
            raise ValueError(f"Expected positive values of argument `std`, but got {self.std}")

    @property
    def small(self) -> bool:
        """Whether the recipes for small images (CIFAR) fit, rather than those for ImageNet."""
        return self.size <= SMALL_SIDE

    @property
    def fill(self) -> tuple[int, ...]:
        """The mean colour in uint8 units: what fills the pixels that an operation leaves empty."""
        return tuple(round(255 * value) for value in self.mean)


def check_bounds(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless ``low <= value <= high`` (a policy called without a recipe)."""
    if not low <= value <= high:
        raise ValueError(
            f"Expected a number in [{low}, {high}] of argument `{name}`, but got {value}"
        )
