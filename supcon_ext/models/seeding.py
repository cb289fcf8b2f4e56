"""Initial weights that depend on the seed and nothing else."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded_weights(seed: int, part: str) -> Iterator[None]:
    """While open, modules draw their initial weights from ``(seed, part)``.

    Each part of a network has a stream of its own, so that exchanging one leaves the weights of the
    others as they were. Weights are drawn on the CPU, whatever the default device, so that they are
    the same on every machine. Torch's global generator is put back afterwards.

    Args:
        seed: The run's seed, at least 0.
        part: Name of the part (``backbone``, ``projector``, ...).

    Raises:
        ValueError: The seed is negative.
    """
    if seed < 0:
        raise ValueError(
            f"Expected a non-negative integer of argument `seed`, but got {seed}. Try: 0."
        )
    stream = np.random.SeedSequence([seed, zlib.crc32(part.encode())])
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(stream.generate_state(1, np.uint64)[0]))
        yield
