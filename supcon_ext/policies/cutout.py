"""Cutout: a square of the mean colour over part of the image (DeVries and Taylor 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from data_tools.samples import ImageArray
from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.pipeline import Draws, Step


@dataclass(frozen=True)
class Cutout:
    """Cover a square whose centre is any pixel; the part that falls outside is lost.

    Attributes:
        side: Side of the square in pixels.
        fill: One value a channel.
    """

    side: int
    fill: tuple[float, ...]

    def __call__(self, image: ImageArray, draws: Draws) -> ImageArray:
        """Cover the square in a copy of ``image``, ``(H, W, C)``."""
        height, width = image.shape[:2]
        top = draws.python.randrange(height) - self.side // 2
        left = draws.python.randrange(width) - self.side // 2
        image = image.copy()
        image[max(0, top) : top + self.side, max(0, left) : left + self.side] = self.fill
        return image


def cutout(context: ViewContext, fraction: float) -> list[Step]:
    """A step that covers a square of ``fraction`` of the side; nothing when that is 0."""
    side = round(fraction * context.size)
    return [Cutout(side, context.fill)] if side else []
