"""From a list of steps to a view: the one place that touches albumentations.

albumentations 2.0.8, left alone, gives every worker process the same draws and repeats them every
epoch. ``Compose.set_random_seed`` before every sample mends that but brings another fault: it seeds
*each* transform alike, so that their first draws are one and the same number (a view that is turned
grey, with probability 0.2, is then always one that was flipped, with probability 0.5). Here all
steps of a view draw in turn from one pair of generators made from the view's key. That is right,
and cheaper: two generators a view, however many steps it has.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from data_tools.randomness import keyed_generator
from data_tools.samples import ImageArray
from supcon_ext.policies.base import ViewContext

if TYPE_CHECKING:
    from torch import Tensor


@cache
def albumentations() -> ModuleType:
    """The library, imported on first use and kept from asking PyPI for newer versions."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations as library

    return library  # type: ignore[no-any-return]


class Draws:
    """The random numbers of one view: two generators, both made from its key.

    Args:
        key: Non-negative integers.

    Attributes:
        numpy: The generator of the key.
        python: Generator seeded with the first draw of ``numpy``.
    """

    __slots__ = ("numpy", "python")

    def __init__(self, key: tuple[int, ...]) -> None:
        self.numpy = keyed_generator(*key)
        self.python = random.Random(int(self.numpy.integers(1 << 63)))


class Step(Protocol):
    """One step of a view; draws what it needs and never writes to its input."""

    def __call__(self, image: ImageArray, draws: Draws, /) -> ImageArray:
        """Take and give ``(H, W, C)`` uint8, or float32 in [0, 1]; H and W may change."""
        ...


@dataclass(frozen=True)
class _Transform:
    inner: Any

    def __call__(self, image: ImageArray, draws: Draws) -> ImageArray:
        self.inner.set_random_state(draws.numpy, draws.python)
        result: ImageArray = self.inner(image=image)["image"]
        return result


@dataclass(frozen=True)
class OneOf:
    """One of several lists of steps, drawn.

    Attributes:
        lists: The lists; an empty one leaves the image as it is.
        shares: How likely each is drawn.
    """

    lists: tuple[tuple[Step, ...], ...]
    shares: tuple[float, ...]

    def __call__(self, image: ImageArray, draws: Draws) -> ImageArray:
        """Draw a list, and do what it says."""
        (steps,) = draws.python.choices(self.lists, self.shares)
        for step in steps:
            image = step(image, draws)
        return image


def transform(name: str, **settings: Any) -> Step:
    """A step made of one transform of albumentations.

    Args:
        name: Class name, for instance ``RandomResizedCrop``.
        **settings: Its parameters; an unknown one is an error.

    Raises:
        ValueError: The transform does not know a parameter, or refuses its value.
    """
    return _Transform(getattr(albumentations(), name)(strict=True, **settings))


class Pipeline:
    """Steps in order, then normalisation. Pickles, so that spawned workers can have it.

    Args:
        steps: What happens to the image; must end in ``size x size`` pixels.
        context: Output size, channels and statistics.
        left_out: Operations of the policy that these images cannot have, in words.

    A pipeline holds no random state. Two threads must not share one: a transform of albumentations
    keeps its generators while it runs.
    """

    def __init__(
        self, steps: Sequence[Step], context: ViewContext, left_out: Sequence[str] = ()
    ) -> None:
        self.steps = tuple(steps)
        self.left_out = tuple(left_out)
        self.context = context
        std = np.asarray(context.std, dtype=np.float64)[:, None, None]
        mean = np.asarray(context.mean, dtype=np.float64)[:, None, None]
        unit = context.scale if context.eight_bits else 1.0
        self._scale_C11 = (1 / (unit * std)).astype(np.float32)
        self._shift_C11 = (-mean / std).astype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a view."""
        return self.context.shape

    def pixels(self, image: ImageArray, key: tuple[int, ...]) -> ImageArray:
        """The view before normalisation: ``(size, size, C)`` uint8, or float32 in [0, 1].

        Raises:
            ValueError: The image is not ``(H, W, C)`` of the context's channels and type.
        """
        channels, dtype = self.context.channels, self.context.dtype
        if image.ndim != 3 or image.shape[2] != channels or image.dtype != dtype:
            raise ValueError(
                f"Expected a {dtype} array (H, W, {channels}) of argument `image`, "
                f"but got {image.dtype} {image.shape}"
            )
        if not self.context.eight_bits:
            image = self.context.spec.units(image)
        draws = Draws(key)
        for step in self.steps:
            image = step(image, draws)
        return image

    def __call__(self, image: ImageArray, key: tuple[int, ...]) -> Tensor:
        """Draw one view: ``(C, size, size)`` float32, normalised (see :class:`View`)."""
        import torch

        pixels_CHW = self.pixels(image, key).transpose(2, 0, 1)
        view_CHW = np.empty(pixels_CHW.shape, dtype=np.float32)
        np.multiply(pixels_CHW, self._scale_C11, out=view_CHW)
        view_CHW += self._shift_C11
        return torch.from_numpy(view_CHW)
