"""What an encoder would have seen, by hand."""

from __future__ import annotations

import numpy as np
import torch

from data_tools.input_spec import InputSpec
from data_tools.samples import SampleSet
from data_tools.vector_rows import VectorRows
from supcon_ext.report.seen import Seen

CLASSES = ("a", "b", "c")
LABEL = np.array([0, 0, 0, 1, 1, 2, 2, 2])
PREDICTED = np.array([0, 1, 1, 1, 2, 2, 2, 0])
PROBABILITY = np.array([0.9, 0.5, 0.8, 0.7, 0.95, 0.6, 0.7, 0.8], dtype=np.float32)


def seen(pictures: bool, classes: tuple[str, ...] = CLASSES, split: str = "test") -> Seen:
    """Eight samples of three classes: four are predicted wrong."""
    draw = np.random.default_rng(0)
    if pictures:
        made = draw.integers(0, 256, (8, 6, 6, 1), dtype=np.uint8)
        samples = SampleSet(made, LABEL, classes, spec=InputSpec.of(made))
    else:
        rows = VectorRows(draw.normal(size=(8, 4)).astype(np.float32))
        samples = SampleSet(rows, LABEL, classes, spec=InputSpec.of_vectors(4))
    features = torch.from_numpy(draw.normal(size=(8, 4)).astype(np.float32))
    return Seen(split, samples, "knn", features, LABEL, PREDICTED, PROBABILITY)
