"""Pictures of one size as networks learn from them, and back.

Letters: n trusted pictures, B of a batch, C channels, S side (a multiple that the network needs).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from data_tools.input_spec import InputSpec
from data_tools.samples import ImageArray, IntArray, SampleSet
from supcon_ext.seeding import seeded_generator

AT_ONCE = 16
"""Samples are made in batches of this many rows, filled up where fewer are asked for, so that what
is asked for beside one changes no bit of it."""


def fitted_spec(real: SampleSet, size: int | None, name: str) -> InputSpec:
    """What a network that learns from a set makes.

    Args:
        real: The set.
        size: Side in pixels that pictures are resized to; None for their own.
        name: Of the generator.

    Raises:
        ValueError: They are no pictures, or have no one size.
    """
    if real.spec.kind != "image":
        raise ValueError(
            f"Expected images for the {name}, but got {real.spec.kind}s. "
            "Try: the generator feature_space"
        )
    if size is None and real.spec.size is None:
        raise ValueError(
            f"Expected images of one size for the {name}, but got files that may differ. "
            "Try: its parameter size: 32"
        )
    return real.spec if size is None else replace(real.spec, size=(size, size))


class TrainingPictures:
    """The trusted pictures of a set, all of one size.

    Args:
        real: The set.
        trusted: ``(n,)`` int64 places.
        spec: See :func:`fitted_spec`.
        multiple: Sides are filled up to a multiple of this, by the pixels at the border.
    """

    def __init__(self, real: SampleSet, trusted: IntArray, spec: InputSpec, multiple: int) -> None:
        self.flips = spec.flips
        self.frame = Frame(spec, multiple)
        self.label = torch.from_numpy(real.label[trusted])
        self.pictures = np.stack([self.frame.fitted(real[int(place)]) for place in trusted])

    def batches(
        self, size: int, steps: int, balance: float, classes: int, seed: int
    ) -> Iterator[tuple[Tensor, Tensor, torch.Generator]]:
        """So many batches; pictures are drawn with replacement and flipped where that may be.

        Args:
            size: B.
            steps: How many.
            balance: 0 draws classes as often as they come, 1 all alike.
            classes: Number of classes.
            seed: Of the draws.

        Yields:
            ``(B, C, S, S)`` float32 in [-1, 1], ``(B,)`` int64 classes, and a generator for what
            else the step draws.
        """
        counts = torch.bincount(self.label, minlength=classes).double()
        weight = counts[self.label] ** -balance
        drawn = seeded_generator(seed, 0)
        for _ in range(steps):
            rows = torch.multinomial(weight, size, replacement=True, generator=drawn)
            x = self.frame.tensor(self.pictures[rows.numpy()])
            if self.flips:
                turned = torch.rand(size, generator=drawn) < 0.5
                x = torch.where(turned[:, None, None, None], x.flip(3), x)
            yield x, self.label[rows], drawn


class Frame:
    """Pictures of a spec as a network sees them: in [-1, 1], their sides filled up.

    Args:
        spec: Of one size.
        multiple: See :class:`TrainingPictures`.

    Attributes:
        shape: ``(C, H, W)`` that the network sees.
    """

    def __init__(self, spec: InputSpec, multiple: int) -> None:
        if spec.size is None:
            raise ValueError("Expected pictures of one size, but got a spec without one.")
        self.spec, (self.high, self.wide) = spec, spec.size
        self.pad = [(-side) % multiple for side in spec.size]
        self.shape = (spec.channels, self.high + self.pad[0], self.wide + self.pad[1])

    def fitted(self, picture: ImageArray) -> ImageArray:
        """A picture of this size, resized where it is of another."""
        if picture.shape[:2] == (self.high, self.wide):
            return picture
        import cv2

        resized = cv2.resize(picture, (self.wide, self.high), interpolation=cv2.INTER_AREA)
        return np.asarray(resized, picture.dtype).reshape(self.high, self.wide, -1)

    def tensor(self, pictures: npt.NDArray[np.generic]) -> Tensor:
        """``(B, C, H, W)`` float32 in [-1, 1] of ``(B, h, w, C)`` pictures."""
        padded = np.pad(pictures, ((0, 0), (0, self.pad[0]), (0, self.pad[1]), (0, 0)), mode="edge")
        x = torch.from_numpy(self.spec.units(padded).astype(np.float32)).permute(0, 3, 1, 2)
        return (x * 2 - 1).contiguous()

    def pictures(self, x: Tensor) -> list[ImageArray]:
        """``(h, w, C)`` of the spec's type, of ``(B, C, H, W)``."""
        cut = x[:, :, : self.high, : self.wide].permute(0, 2, 3, 1)
        units = ((cut.float() + 1) / 2).clamp(0, 1).numpy() * self.spec.scale
        if self.spec.dtype != "float32":
            units = units.round()
        return [np.ascontiguousarray(unit.astype(self.spec.dtype)) for unit in units]


def same_batches(count: int) -> Iterator[list[int]]:
    """Positions in batches of one size; the last is filled up with its first position."""
    for start in range(0, count, AT_ONCE):
        rows = list(range(start, min(start + AT_ONCE, count)))
        yield rows + [rows[0]] * (AT_ONCE - len(rows))


def standard_normal(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """``(n, *shape)`` float32, each of its own seed."""
    return torch.stack(
        [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )
