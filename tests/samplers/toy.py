"""Inputs of samplers."""

import numpy as np

from supcon_ext.samplers.base import SamplerInput


def data(counts, batch_size=16, epoch=0, epochs=10, seed=0, untrusted=(), unknown=0):
    """Samples of each class in turn, then ``unknown`` ones without a label."""
    label = np.repeat(np.arange(len(counts)), counts)
    label = np.append(label, np.full(unknown, -1))
    trusted = np.ones(len(label), dtype=bool)
    trusted[list(untrusted)] = False
    return SamplerInput(
        label=label,
        trusted=trusted,
        classes=len(counts),
        batch_size=batch_size,
        epoch=epoch,
        epochs=epochs,
        generator=np.random.default_rng(np.random.SeedSequence([seed, epoch])),
    )
