import numpy as np
import pytest

from data_tools.images import ImageSet


@pytest.fixture
def images() -> ImageSet:
    pixels = np.random.default_rng(7).integers(0, 256, (24, 12, 12, 3), dtype=np.uint8)
    pixels.flags.writeable = False
    return ImageSet(pixels, np.arange(24) % 3, ("a", "b", "c"))
