"""Small sets, fitted on in a moment."""

from __future__ import annotations

from typing import Any

import numpy as np

from data_tools.datasets.base import Splits
from data_tools.input_spec import InputSpec
from data_tools.prepared import PreparedData, prepare_data
from data_tools.samples import SampleSet
from data_tools.vector_rows import VectorRows
from tests.synthetic.tiny_pipeline import tiny_pipeline

SMALL: dict[str, dict[str, Any]] = {
    "class_diffusion": {"steps": 4, "batch": 4, "width": 8, "sampling_steps": 2},
    "class_vae": {"steps": 4, "batch": 4, "width": 4, "code": 3},
}
"""Parameters with which a generator is fitted in a moment."""


def small(name: str) -> dict[str, Any]:
    """The same, with a pipeline of diffusers made where one is needed."""
    if name == "pipeline":
        return {"pipeline": tiny_pipeline(), "steps": 2, "batch": 8, "device": "cpu"}
    return SMALL.get(name, {})


SHAPES = ("circle", "square", "triangle", "star")


def pictures(counts=(20, 12, 6, 2), size=8, channels=3, dtype="uint8", names=SHAPES) -> SampleSet:
    """Noise with a bright band whose place is the class's."""
    drawn = np.random.default_rng(5)
    label = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    unit = drawn.uniform(0, 0.2, (len(label), size, size, channels))
    for i, c in enumerate(label):
        unit[i, c * size // len(counts) : (c + 1) * size // len(counts)] += 0.6
    images = (unit * {"uint8": 255, "uint16": 65535, "float32": 1}[dtype]).astype(dtype)
    return SampleSet(images, label, names[: len(counts)], spec=InputSpec.of(images))


def vectors(counts=(20, 12, 6, 2), width=6, views=0, unit=True) -> SampleSet:
    """Directions about one axis for each class."""
    drawn = np.random.default_rng(6)
    label = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    shape = (len(label), views, width) if views else (len(label), width)
    rows = drawn.normal(0, 0.4, shape) + np.eye(width)[label][:, None].reshape(
        (len(label), *([1] * bool(views)), width)
    )
    if unit:
        rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
    spec = InputSpec.of_vectors(width)
    return SampleSet(
        VectorRows(rows.astype(np.float32)), label, tuple("abcd")[: len(counts)], spec=spec
    )


def prepared(train: SampleSet) -> PreparedData:
    """As an experiment has it, without noise."""
    return prepare_data(Splits(train=train, test=None, truth_known=True))
