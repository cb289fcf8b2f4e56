"""Strong transforms of real pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

import numpy as np
import torch
from pydantic import Field

from data_tools.samples import ImageArray, IntArray, SampleSequence, SampleSet, Subset
from supcon_ext.policies.base import ViewContext
from supcon_ext.policies.pipeline import Pipeline, Step, transform
from supcon_ext.policies.randaugment import random_operations
from supcon_ext.synthetic.generator import Asked, Generator, Progress, generator
from supcon_ext.synthetic.generators.parents import ParentChooser
from supcon_ext.synthetic.image_seed import image_seed

MEASURED = 500
"""Pictures that the mean colour is taken of, which fills what a transform leaves empty."""


@generator("transform")
class Transform(Generator):
    """Strong transforms of a trusted picture of the class, which is the parent.

    A random part is warped and resized to the picture's own size, flipped where that keeps the
    label, and given some operations of RandAugment. The parents of a class take turns. It is what a
    generator that learns has to beat: the same number of rows without anything new in them.

    Args:
        count: Operations a picture.
        magnitude: Their strength, 0 to 10.
        min_scale: Least share of the area that is kept.
        warp: How far points are moved at random, as a share of the side; 0 is not at all.
    """

    def __init__(
        self,
        count: Annotated[int, Field(ge=0, le=10)] = 2,
        magnitude: Annotated[float, Field(ge=0, le=10)] = 5.0,
        min_scale: Annotated[float, Field(gt=0, le=1)] = 0.6,
        warp: Annotated[float, Field(ge=0, le=0.5)] = 0.05,
    ) -> None:
        self.count = count
        self.magnitude = magnitude
        self.min_scale = min_scale
        self.warp = warp
        self._pipelines: dict[tuple[int, ...], Pipeline] = {}

    def _fit(self, real: SampleSet, trusted: IntArray, seed: int, progress: Progress) -> None:
        if real.spec.kind != "image":
            raise ValueError(
                f"Expected images for the {self.name}, but got {real.spec.kind}s. "
                "Try: the generator feature_space"
            )
        self.parents = ParentChooser(trusted, real.label[trusted])
        self.pictures: SampleSequence = Subset(real.samples, trusted)
        some = trusted[:: max(1, len(trusted) // MEASURED)][:MEASURED]
        means = [real.spec.units(real[int(i)]).mean((0, 1)) for i in some]
        self.mean = tuple(float(value) for value in np.mean(means, 0).clip(0, 1))
        self._pipelines = {}

    def parent_of(self, what: int | str, k: int, seed: int) -> int:
        """The picture that is transformed."""
        label = cast(int, self.settled(what))
        return int(self.parents.places[self.parents.chosen(label, k, seed)])

    def _make(self, asked: Sequence[Asked], seed: int) -> list[ImageArray]:
        made = []
        for what, k in asked:
            parent = self.pictures[self.parents.chosen(cast(int, what), k, seed)]
            pixels = self._pipeline(parent.shape).pixels(parent, (image_seed(seed, what, k),))
            if not self.spec.is_eight_bits:  # which transforms see in [0, 1] units
                pixels = (pixels * self.spec.scale).astype(self.spec.dtype)
            made.append(np.ascontiguousarray(pixels))
        return made

    def _pipeline(self, shape: tuple[int, ...]) -> Pipeline:
        if shape not in self._pipelines:
            self._pipelines[shape] = self._steps(shape)
        return self._pipelines[shape]

    def _steps(self, shape: tuple[int, ...]) -> Pipeline:
        high, wide, channels = shape
        context = ViewContext(
            size=min(high, wide),
            channels=channels,
            flips=self.spec.flips,
            mean=self.mean,
            std=(1.0,) * channels,
            dtype=self.spec.dtype,
            scale=self.spec.scale,
        )
        steps: list[Step] = [
            transform("RandomResizedCrop", size=(high, wide), scale=(self.min_scale, 1.0))
        ]
        if self.spec.flips:
            steps.append(transform("HorizontalFlip", p=0.5))
        if self.warp:
            steps.append(
                transform("ThinPlateSpline", scale_range=(0, self.warp), p=1.0, border_mode=4)
            )
        if self.count:
            steps.append(random_operations(context, self.count, self.magnitude, 0.0))
        return Pipeline(steps, context)

    def state(self) -> dict[str, Any]:
        """The parents' pictures too."""
        pictures = [torch.from_numpy(self.pictures[i]) for i in range(len(self.parents.places))]
        return {**self.parents.state(), "pictures": pictures, "mean": list(self.mean)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take them."""
        self.parents = ParentChooser.of_state(state)
        self.pictures = [picture.numpy() for picture in state["pictures"]]
        self.mean = tuple(state["mean"])
        self._pipelines = {}
