"""What a view is, what it is told about the data, and the registry of view policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from data_tools.input_spec import MOST_CHANNELS, SCALES, Depth, InputSpec
from data_tools.registry import Registry
from data_tools.samples import ImageArray

if TYPE_CHECKING:
    from torch import Tensor

RGB = 3
SMALL_SIDE = 64  # up to this many pixels the literature pads and crops; above, it crops and resizes


class View(Protocol):
    """One way to turn a sample into a picture, or a vector, for the network.

    One of another size than the context's says so in ``shape``, ``(C, size, size)``. One of vectors
    may have a method ``batch(x, keys)`` too, see
    :class:`~supcon_ext.policies.vector_view.VectorView`.
    """

    def __call__(self, image: ImageArray, key: tuple[int, ...], /) -> Tensor:
        """Draw one view.

        Args:
            image: ``(H, W, C)`` of the context's channels and type, any size; or a vector ``(F,)``,
                or its stored views ``(V, F)``. Never written to.
            key: Non-negative integers that decide every random draw: the same key, the same pixels.

        Returns:
            ``(C, size, size)`` of its own size, or the context's; or ``(F,)``; float32, normalised.
        """
        ...


policy = Registry[View]("policy", "supcon_ext.policies")


@dataclass(frozen=True)
class ViewContext:
    """What every policy is told about the data set.

    Attributes:
        size: Side of the square output in pixels.
        channels: 1 (grey), 3 (RGB), or any other number up to 16.
        flips: Whether a mirrored image keeps its label.
        mean: Mean of each channel in [0, 1] units, subtracted from the view.
        std: Standard deviation of each channel in the same units, which divides the view.
        dtype: Type of the images: uint8, uint16 or float32.
        scale: The value of an image that stands for 1.

    Raises:
        ValueError: A size, a channel count or a statistic that no image has.
    """

    size: int
    channels: int
    flips: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    dtype: Depth = "uint8"
    scale: float = SCALES["uint8"]

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(
                f"Expected a positive number of pixels in argument `size`, but got {self.size}"
            )
        if not 1 <= self.channels <= MOST_CHANNELS:
            raise ValueError(
                f"Expected 1 to {MOST_CHANNELS} in argument `channels`, but got {self.channels}"
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
    def spec(self) -> InputSpec:
        """What the images are."""
        return InputSpec("image", self.channels, self.dtype, None, self.scale, self.flips)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a view."""
        return (self.channels, self.size, self.size)

    @property
    def told(self) -> str:
        """The images in words."""
        return f"{self.size} px, {self.channels} channel{'s' * (self.channels > 1)}"

    @property
    def eight_bits(self) -> bool:
        """Whether steps see 8-bit pixels; of all other images they see float32 in [0, 1]."""
        return self.spec.is_eight_bits

    @property
    def colour(self) -> bool:
        """Whether the channels are red, green and blue."""
        return self.channels == RGB

    @property
    def fill(self) -> tuple[float, ...]:
        """The mean colour, as steps see it: fills the pixels that an operation leaves empty."""
        if not self.eight_bits:
            return self.mean
        return tuple(round(255 * value) for value in self.mean)

    def require_colour(self, name: str, operation: str) -> None:
        """Refuse images without colour, for a policy that is nothing without it.

        Args:
            name: The policy's.
            operation: What it needs the colour for.

        Raises:
            ValueError: The images have not three channels.
        """
        if not self.colour:
            raise ValueError(
                f"Expected images of 3 channels for policy {name}, whose {operation} needs colour, "
                f"but got {self.channels}. Try: policy weak, or simaugment."
            )


def check_bounds(name: str, value: float, low: float, high: float) -> None:
    """Raise ValueError unless ``low <= value <= high`` (a policy called without a recipe)."""
    if not low <= value <= high:
        raise ValueError(
            f"Expected a number in [{low}, {high}] of argument `{name}`, but got {value}"
        )
