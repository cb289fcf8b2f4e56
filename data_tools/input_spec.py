"""What the samples of one data set have in common: all that whoever reads them must know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

Kind = Literal["image", "vector"]
Depth = Literal["uint8", "uint16", "float32"]

SCALES: dict[Depth, float] = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}
"""The value that stands for 1, by the type of the samples, where nothing else is said."""

MOST_CHANNELS = 16


@dataclass(frozen=True)
class InputSpec:
    """What all samples of a set share.

    Attributes:
        kind: ``image``: ``(H, W, C)``; ``vector``: ``(D,)``, or ``(V, D)`` of V stored views.
        channels: C of an image, 1 to 16; D of a vector.
        dtype: Type of the samples as they are read.
        size: ``(H, W)`` where all images share it, else None.
        scale: The value that stands for 1: a sample divided by it is in [0, 1] units.
        flips: Whether a mirrored image keeps its label (digits and letters do not).

    Raises:
        ValueError: A type, a number of channels or a scale that no sample has.
    """

    kind: Kind
    channels: int
    dtype: Depth
    size: tuple[int, int] | None
    scale: float
    flips: bool = True

    def __post_init__(self) -> None:
        if self.dtype not in SCALES:
            raise ValueError(
                f"Expected samples of type {', '.join(SCALES)}, but got {self.dtype}. "
                "Try: x.astype('float32') for other floats, in [0, 1]."
            )
        most = MOST_CHANNELS if self.kind == "image" else None
        if self.channels < 1 or (most is not None and self.channels > most):
            expected = f"1 to {most}" if most else "at least 1"
            raise ValueError(
                f"Expected images of {expected} channels, (H, W, C), but got {self.channels}. "
                "Try: the channels as the last axis, x.transpose(0, 2, 3, 1)."
            )
        if not 0 < self.scale < float("inf"):
            raise ValueError(
                f"Expected a positive number of argument `scale`, but got {self.scale}. "
                "Try: the value that stands for white."
            )

    def units(self, sample: npt.NDArray[Any], dtype: type = np.float32) -> npt.NDArray[Any]:
        """A sample in [0, 1] units: divided by the scale, and cut off there."""
        made: npt.NDArray[Any] = sample.astype(dtype) / dtype(self.scale)
        return made if self.is_eight_bits else made.clip(0, 1)

    @property
    def is_eight_bits(self) -> bool:
        """Whether samples are 8-bit pixels of the usual scale."""
        return self.dtype == "uint8" and self.scale == SCALES["uint8"]

    @staticmethod
    def of_vectors(width: int) -> InputSpec:
        """Vectors of so many coordinates."""
        return InputSpec("vector", width, "float32", None, 1.0, flips=False)

    @staticmethod
    def of(samples: Any, *, flips: bool = True, scale: float | None = None) -> InputSpec:
        """What samples are, told by the array that holds them, or by the first of them.

        Args:
            samples: An ``(N, H, W, C)`` array, or ``(H, W, C)`` arrays by index; floats ``(N, D)``
                are vectors.
            flips: Whether a mirrored image keeps its label.
            scale: The value that stands for 1; None is the largest of an integer type, 1 of floats.

        Raises:
            ValueError: There is no first image, or it is of a kind that is not known.
        """
        whole = getattr(samples, "shape", None) is not None and hasattr(samples, "dtype")
        if not whole and not len(samples):
            raise ValueError(
                "Expected an image to tell the kind of the samples by, but got none. Try: `spec`."
            )
        shape = samples.shape[1:] if whole else np.shape(samples[0])
        dtype = str(samples.dtype if whole else np.asarray(samples[0]).dtype)
        if len(shape) == 1 and np.dtype(dtype).kind == "f":
            return InputSpec.of_vectors(int(shape[0]))
        if len(shape) != 3:
            raise ValueError(f"Expected images (H, W, C), but got the shape {tuple(shape)}.")
        usual = SCALES.get(cast(Depth, dtype), 1.0)
        return InputSpec(
            kind="image",
            channels=int(shape[2]),
            dtype=cast(Depth, dtype),
            size=(int(shape[0]), int(shape[1])) if whole else None,
            scale=usual if scale is None else float(scale),
            flips=flips,
        )
