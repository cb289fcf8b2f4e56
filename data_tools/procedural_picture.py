"""Pictures of a shape in a colour on a texture, drawn from numbers alone.

What is drawn follows from a description, so that a caption is right by construction; pose, scale,
place, brightness and noise follow from a generator.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

Grid = npt.NDArray[np.float64]
Inside = Callable[[Grid, Grid], npt.NDArray[np.bool_]]

FINER = 3
"""Points a pixel along each side, whose mean it is: edges are smooth."""


def _regular(corners: int) -> Inside:
    """A regular polygon of circumradius 1."""
    normals = [2 * np.pi * (i + 0.5) / corners for i in range(corners)]
    inner = np.cos(np.pi / corners)

    def inside(x: Grid, y: Grid) -> npt.NDArray[np.bool_]:
        sides = [x * np.cos(angle) + y * np.sin(angle) <= inner for angle in normals]
        return np.asarray(np.logical_and.reduce(sides), dtype=np.bool_)

    return inside


def _star(x: Grid, y: Grid) -> npt.NDArray[np.bool_]:
    turn = np.abs((np.arctan2(y, x) / (2 * np.pi / 5)) % 1 - 0.5) * 2  # 1 at a tip, 0 between two
    return np.asarray(np.hypot(x, y) <= 0.42 + 0.58 * turn**1.5)


SHAPES: dict[str, Inside] = {
    "circle": lambda x, y: np.asarray(np.hypot(x, y) <= 0.9),
    "square": _regular(4),
    "triangle": _regular(3),
    "cross": lambda x, y: np.asarray(
        (np.minimum(abs(x), abs(y)) <= 0.3) & (np.maximum(abs(x), abs(y)) <= 0.95)
    ),
    "ring": lambda x, y: np.asarray(np.abs(np.hypot(x, y) - 0.7) <= 0.25),
    "star": _star,
}
"""Whether points are inside of a shape of radius 1 about the origin."""

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.85, 0.15, 0.15),
    "green": (0.15, 0.7, 0.2),
    "blue": (0.2, 0.3, 0.9),
    "yellow": (0.9, 0.8, 0.15),
}
TEXTURES: dict[str, Callable[[Grid, Grid], Grid]] = {
    "plain": lambda x, y: np.zeros_like(x),
    "stripes": lambda x, y: np.asarray(np.sign(np.sin(x * 2 * np.pi))),
    "dots": lambda x, y: np.where(np.hypot(x % 1 - 0.5, y % 1 - 0.5) < 0.3, 1.0, -1.0),
}
"""Light, -1 to 1, at points of a pattern that repeats after 1."""

BACKGROUNDS = {"plain": "a plain wall", "stripes": "stripes", "dots": "dots"}


@dataclass(frozen=True, slots=True)
class Description:
    """What is on a picture.

    Attributes:
        shape: One of ``SHAPES``.
        colour: One of ``COLOURS``.
        texture: One of ``TEXTURES``.
    """

    shape: str
    colour: str
    texture: str

    @property
    def caption(self) -> str:
        """It in words: ``a red circle on stripes``."""
        return f"a {self.colour} {self.shape} on {BACKGROUNDS[self.texture]}"


DESCRIPTIONS = tuple(
    Description(shape, colour, texture)
    for texture, colour, shape in itertools.product(TEXTURES, COLOURS, SHAPES)
)
"""All of them, 72; the first few have every shape, then every colour."""


def draw_picture(what: Description, drawn: Generator, size: int = 32) -> npt.NDArray[np.uint8]:
    """One picture.

    Args:
        what: What is on it.
        drawn: Decides pose, scale, place, brightness and noise.
        size: Side in pixels.

    Returns:
        ``(size, size, 3)`` uint8.
    """
    fine = (np.arange(size * FINER) + 0.5) / (size * FINER) * 2 - 1
    y, x = np.meshgrid(fine, fine, indexing="ij")
    radius = drawn.uniform(0.4, 0.75)
    at = drawn.uniform(-1, 1, 2) * (0.9 - radius)
    inside = SHAPES[what.shape](*_turned((x - at[0]) / radius, (y - at[1]) / radius, drawn))
    waves = drawn.uniform(1.5, 3.5)
    shift = drawn.uniform(0, 1, 2)
    pattern = TEXTURES[what.texture](*_turned(x * waves, y * waves, drawn, shift))
    light = drawn.uniform(0.35, 0.65) + drawn.uniform(0.12, 0.25) * pattern
    ground = light[..., None] + drawn.uniform(-0.08, 0.08, 3)
    paint = np.array(COLOURS[what.colour]) * drawn.uniform(0.75, 1.1)
    picture = np.where(inside[..., None], paint, ground)
    picture = picture.reshape(size, FINER, size, FINER, 3).mean((1, 3))
    picture += drawn.normal(0, drawn.uniform(0.01, 0.05), picture.shape)
    return np.asarray((picture * 255).round().clip(0, 255), dtype=np.uint8)


def _turned(
    x: Grid, y: Grid, drawn: Generator, shift: npt.ArrayLike = (0.0, 0.0)
) -> tuple[Grid, Grid]:
    angle = drawn.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    right, down = np.asarray(shift, dtype=np.float64)
    return x * cos + y * sin + right, y * cos - x * sin + down
