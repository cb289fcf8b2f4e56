"""Drawn shapes: a set of real images, as far as training knows, that needs no download."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from data_tools.arguments import check_between
from data_tools.datasets.base import Splits, dataset
from data_tools.input_spec import InputSpec
from data_tools.procedural_picture import DESCRIPTIONS, SHAPES, draw_picture
from data_tools.randomness import generator
from data_tools.samples import SampleSet


@dataset("shapes")
def shapes(
    *,
    size: Annotated[int, Field(ge=8, le=1024)] = 32,
    train: Annotated[int, Field(ge=2, le=2**20)] = 100,
    test: Annotated[int, Field(ge=1, le=2**20)] = 50,
    seed: Annotated[int, Field(ge=0)] = 0,
) -> Splits:
    """Pictures of six shapes in four colours on three textures; nothing to download.

    Class = shape. Colour, texture, pose, scale, place, brightness and noise differ from picture to
    picture. Generator `procedural` draws others of the same kind, with captions.

    Args:
        size: Side of the images in pixels, at least 8.
        train: Training images of each class.
        test: Test images of each class.
        seed: Of all that is drawn.

    Raises:
        ValueError: A number is out of bounds.
    """
    check_between("size", size, 8, 1024, "32")
    check_between("train", train, 2, 2**20, "100")
    check_between("test", test, 1, 2**20, "50")
    names = tuple(SHAPES)

    def part(purpose: str, each: int) -> SampleSet:
        drawn = generator(purpose, seed)
        label = np.repeat(np.arange(len(names)), each)
        made = []
        for number in label.tolist():
            kinds = [what for what in DESCRIPTIONS if what.shape == names[number]]
            made.append(draw_picture(kinds[int(drawn.integers(len(kinds)))], drawn, size))
        images = np.stack(made)
        return SampleSet(images, label, names, spec=InputSpec.of(images, flips=True))

    return Splits(part("train", train), part("test", test), truth_known=True)
