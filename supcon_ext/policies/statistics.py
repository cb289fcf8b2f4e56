"""Mean and standard deviation of each channel, which normalise the views."""

from __future__ import annotations

import numpy as np

from data_tools.bad_image import GoneImageError
from data_tools.randomness import keyed_generator
from data_tools.samples import ImageArray, SampleSet

ChannelStatistics = tuple[tuple[float, ...], tuple[float, ...]]  # mean and std, in [0, 1] units

EXACT_UP_TO = 2000
"""Images: of more, that many are drawn."""

KEPT_BYTES = 2**29  # of images held between the two looks at them; the others are read again


def channel_statistics(
    images: SampleSet, limit: int = EXACT_UP_TO, *, seed: int
) -> ChannelStatistics:
    """Measure the statistics: exactly where there are no more than ``limit`` images.

    Every image weighs the same, whatever its size: the views of all have one size. Images that are
    bad and to be skipped are left out.

    Args:
        images: The training images.
        limit: How many of them to read at most; drawn without replacement.
        seed: Decides which.

    Returns:
        Mean and standard deviation over pixels of each channel, in [0, 1] units.

    Raises:
        ValueError: No images, or images of different channel counts.
    """
    count = min(limit, len(images))
    if count < 1:
        raise ValueError(
            f"Expected at least one image to measure, but got {len(images)} and limit {limit}"
        )
    generator = keyed_generator(seed)
    means, kept, held = {}, {}, 0
    for index in np.sort(generator.permutation(len(images))[:count]).tolist():
        try:
            image = images[index]
        except GoneImageError:
            continue
        means[index] = images.spec.units(image, np.float64).mean(axis=(0, 1))
        held += image.nbytes
        if held <= KEPT_BYTES:
            kept[index] = image
    channels = {len(mean) for mean in means.values()}
    if len(channels) != 1:
        raise ValueError(
            f"Expected images of one channel count, but got {sorted(channels)}. "
            "Try: convert all to grey or RGB"
        )
    mean = np.mean(list(means.values()), axis=0)

    def variance(image: ImageArray) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        deviation = images.spec.units(image, np.float64) - mean
        found: np.ndarray[tuple[int], np.dtype[np.float64]] = (deviation**2).mean(axis=(0, 1))
        return found

    spread = [variance(kept[index] if index in kept else images[index]) for index in means]
    return tuple(mean.tolist()), tuple(np.sqrt(np.mean(spread, axis=0)).tolist())
