"""The feed that fits a data set's samples."""

from __future__ import annotations

from data_tools.samples import SampleSet
from supcon_ext.feed.base import Feed
from supcon_ext.feed.vectors import VectorFeed
from supcon_ext.feed.workers import WorkerFeed


def feed_of(
    samples: SampleSet,
    *,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
    pin_memory: bool = False,
) -> Feed:
    """Worker processes for images, memory for vectors.

    Args:
        samples: The training set.
        workers: Processes that draw views of images.
        rank: This process's place among those that train.
        world: How many train.
        pin_memory: Put batches of images in page-locked memory.
    """
    if samples.spec.kind == "vector":
        return VectorFeed(samples, rank=rank, world=world)
    return WorkerFeed(samples, workers=workers, rank=rank, world=world, pin_memory=pin_memory)
