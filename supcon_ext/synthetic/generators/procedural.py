"""Pictures of shapes in colours on textures, with captions, drawn without any model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from data_tools.input_spec import InputSpec
from data_tools.procedural_picture import DESCRIPTIONS, SHAPES, draw_picture
from data_tools.samples import ImageArray, IntArray, SampleSet
from supcon_ext.synthetic.generator import Asked, Generator, Progress, generator
from supcon_ext.synthetic.image_seed import draws_of

BY_CAPTION = {what.caption: what for what in DESCRIPTIONS}


@generator("procedural")
class Procedural(Generator):
    """Pictures of a shape in a colour on a texture: class = shape, caption = all three.

    Pose, scale, place, brightness and noise differ from picture to picture. There are 6 shapes, 4
    colours and 3 textures: 72 captions. It needs no fitting; fitted on a set, it makes pictures of
    that set's size, and the set's classes must be shapes.

    Args:
        size: Side in pixels of what is made without a set, or beside images of several sizes.
    """

    def __init__(self, size: Annotated[int, Field(ge=8, le=1024)] = 32) -> None:
        self.size = size
        self.spec = InputSpec("image", 3, "uint8", (size, size), 255.0)
        self.classes = tuple(SHAPES)
        self.counts = np.ones(len(SHAPES), dtype=np.int64)

    def _fit(self, real: SampleSet, trusted: IntArray, seed: int, progress: Progress) -> None:
        strangers = [name for name in real.classes if name not in SHAPES]
        if strangers:
            raise ValueError(
                f"Expected classes that the {self.name} draws, {', '.join(SHAPES)}, but got "
                f"{', '.join(strangers[:5])}. Try: another generator"
            )
        eight_bits = real.spec.kind == "image" and real.spec.is_eight_bits
        if not eight_bits or real.spec.channels != 3:
            raise ValueError(
                f"Expected 8-bit colour images for the {self.name} to stand beside, but got "
                f"{real.spec.kind}s of {real.spec.channels} channels of {real.spec.dtype}."
            )
        high, wide = real.spec.size or (self.size, self.size)
        if high != wide:
            raise ValueError(
                f"Expected square images for the {self.name}, but got {high} x {wide}."
            )
        self.counts = np.ones(len(real.classes), dtype=np.int64)

    def captions_of(self, label: int) -> tuple[str, ...]:
        """The 12 of a shape."""
        shape = self.classes[label]
        return tuple(what.caption for what in DESCRIPTIONS if what.shape == shape)

    def _make(self, asked: Sequence[Asked], seed: int) -> list[ImageArray]:
        size = self.size if self.spec.size is None else self.spec.size[0]
        made: list[ImageArray] = []
        for what, k in asked:
            drawn = draws_of(seed, what, k)
            if isinstance(what, int):
                captions = self.captions_of(what)
                what = captions[int(drawn.integers(len(captions)))]
            made.append(draw_picture(BY_CAPTION[what], drawn, size))
        return made
