import numpy as np
import pytest

from data_tools.samples import SampleSet
from supcon_ext.policies.statistics import channel_statistics


def test_equals_numpy_over_all_pixels(images):
    mean, std = channel_statistics(images, seed=0)
    pixels = np.asarray(images.samples) / 255
    np.testing.assert_allclose(mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std(axis=(0, 1, 2)), rtol=1e-12)


def test_limit_reads_a_sample_that_the_seed_decides(images):
    few = channel_statistics(images, 5, seed=0)
    assert few == channel_statistics(images, 5, seed=0)
    assert few != channel_statistics(images, 5, seed=1)
    np.testing.assert_allclose(few[0], channel_statistics(images, seed=0)[0], atol=0.05)


def test_images_of_any_size_weigh_alike():
    pictures = [np.full((2, 2, 1), 255, np.uint8), np.zeros((10, 30, 1), np.uint8)]
    mean, std = channel_statistics(SampleSet(pictures, np.zeros(2, np.int64), ("a",)), seed=0)
    assert (mean, std) == ((0.5,), (0.5,))


def test_refuses_nothing_and_mixtures(images):
    with pytest.raises(ValueError, match="at least one image"):
        channel_statistics(images, 0, seed=0)
    pictures = [np.zeros((2, 2, 1), np.uint8), np.zeros((2, 2, 3), np.uint8)]
    with pytest.raises(ValueError, match="one channel count"):
        channel_statistics(SampleSet(pictures, np.zeros(2, np.int64), ("a",)), seed=0)
