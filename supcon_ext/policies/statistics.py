"""Mean and standard deviation of each channel, which normalise the views."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data_tools.bad_image import readable
from data_tools.samples import SampleSet

ChannelStatistics = tuple[tuple[float, ...], tuple[float, ...]]  # mean and std, in [0, 1] units

PRESETS: Mapping[str, ChannelStatistics] = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def channel_statistics(images: SampleSet, limit: int = 2000, *, seed: int) -> ChannelStatistics:
    """Measure the statistics on a sample of the images.

    Every image weighs the same, whatever its size: the views of all have one size.

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
    generator = np.random.default_rng(np.random.SeedSequence([seed]))
    index = np.sort(generator.permutation(len(images))[:count])
    pixels = [image.astype(np.float64) / 255 for image in readable(images.samples, index)]
    channels = {image.shape[2] for image in pixels}
    if len(channels) != 1:
        raise ValueError(
            f"Expected images of one channel count, but got {sorted(channels)}. "
            "Try: convert all to grey or RGB"
        )
    mean = np.mean([image.mean(axis=(0, 1)) for image in pixels], axis=0)
    variance = np.mean([((image - mean) ** 2).mean(axis=(0, 1)) for image in pixels], axis=0)
    return tuple(mean.tolist()), tuple(np.sqrt(variance).tolist())
