import numpy as np
import pytest

from data_tools.samples import SampleSet


@pytest.fixture
def images() -> SampleSet:
    pixels = np.random.default_rng(7).integers(0, 256, (24, 12, 12, 3), dtype=np.uint8)
    pixels.flags.writeable = False
    return SampleSet(pixels, np.arange(24) % 3, ("a", "b", "c"))
