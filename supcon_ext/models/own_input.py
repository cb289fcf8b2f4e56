"""What images an encoder's published weights were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

ChannelStatistics = tuple[tuple[float, ...], tuple[float, ...]]  # mean and std, in [0, 1] units


@dataclass(frozen=True)
class OwnInput:
    """The images that weights were trained on.

    Attributes:
        mean: Mean of each channel in [0, 1] units, which was subtracted.
        std: Standard deviation of each channel, which divided.
        size: Side in pixels.
    """

    mean: Sequence[float]
    std: Sequence[float]
    size: int

    def statistics(self, channels: int) -> ChannelStatistics | None:
        """Mean and std for images of so many channels: grey has the colours' average, else None."""
        if channels == len(self.mean):
            return tuple(map(float, self.mean)), tuple(map(float, self.std))
        return ((fmean(self.mean),), (fmean(self.std),)) if channels == 1 else None
