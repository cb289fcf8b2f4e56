"""The contract of samplers."""

from __future__ import annotations

import numpy as np

from supcon_ext.samplers.base import Sampler, SamplerInput, asked_order
from supcon_ext.testing.contract import Contract, pristine

CONTRACT = Contract("sampler")
SAMPLES, CLASSES, BATCH, EPOCHS = 60, 4, 12, 5
REAL, CAPTIONS = 40, 5


def check_sampler(sampler: Sampler) -> None:
    """Check that a sampler keeps the contract that batches and a resumed run rely on.

    Samples of the data set, in whole numbers; the same order of an epoch from an instance that has
    seen no other epoch, in any process, with draws from ``data.generator`` alone; an input that is
    left as it is. A third of the samples are synthetic, each with one of five captions. The sampler
    is copied first and not changed.

    Args:
        sampler: The sampler to check, as a recipe makes it; batches are of 12.

    Raises:
        AssertionError: The contract is broken; the message says where, and what to do.
    """
    new, one = pristine(sampler), pristine(sampler)()
    draws = "`data.generator`, which is the same in every process"
    with CONTRACT.class_unchanged(sampler):
        with CONTRACT.world(0, draws):
            in_turn = [_order(one, epoch) for epoch in range(EPOCHS)]
        with CONTRACT.world(1, draws):
            alone = [_order(new(), epoch) for epoch in range(EPOCHS)]
    for epoch, (first, second) in enumerate(zip(in_turn, alone, strict=True)):
        CONTRACT.expect(
            np.array_equal(first, second),
            f"the order of epoch {epoch} must not depend on the epochs asked for before, since a "
            "resumed run asks a fresh instance. Try: keep nothing between epochs",
        )
    CONTRACT.expect(
        any(not np.array_equal(in_turn[0], later) for later in in_turn[1:]),
        "epochs must come in orders of their own. Try: draw from `data.generator`",
    )


def _order(sampler: Sampler, epoch: int) -> np.ndarray:
    generator = np.random.default_rng([7, epoch])
    label = np.sort(np.arange(SAMPLES) ** 2 // SAMPLES * CLASSES // SAMPLES)
    label[::17] = -1
    trusted = np.arange(SAMPLES) % 7 > 0
    synthetic = np.arange(SAMPLES) >= REAL
    data = SamplerInput(
        label=label,
        trusted=trusted,
        classes=CLASSES,
        batch_size=BATCH,
        epoch=epoch,
        epochs=EPOCHS,
        generator=generator,
        synthetic=synthetic,
        columns={
            "caption": np.where(synthetic, np.arange(SAMPLES) % CAPTIONS, -1),
            "parent": np.where(synthetic, -1, np.arange(SAMPLES)),
            "quality": np.ones(SAMPLES, dtype=np.float32),
        },
    )
    kept = label.copy(), trusted.copy()
    with CONTRACT.border():
        order = asked_order(sampler, data)
    unchanged = np.array_equal(label, kept[0]) and np.array_equal(trusted, kept[1])
    CONTRACT.expect(unchanged, "labels and trust must be left as they are. Try: copy them first")
    CONTRACT.expect(len(order) > 0, "an epoch must have samples where some are trusted")
    return order
