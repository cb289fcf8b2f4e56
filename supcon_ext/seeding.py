"""Every seed of torch's draws: from the run's seed and a purpose, and nothing else.

What numpy draws is seeded by :func:`data_tools.randomness.generator` in the same way; views draw by
their keys (:mod:`supcon_ext.policies.pipeline`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from data_tools.randomness import named_stream, stream


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
    drawn = named_stream(part, seed)
    with torch.device("cpu"), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(drawn.generate_state(1, np.uint64)[0]))
        yield


def seeded_generator(*key: int) -> torch.Generator:
    """A generator on the CPU that depends on the key alone."""
    words = stream(*key).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(words[0]) << 32 | int(words[1]))


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A seed of 32 bits of its own for each purpose, the same in every process."""
    text = "/".join(map(str, (seed, *purpose))).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "little")
