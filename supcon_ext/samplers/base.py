"""What a sampler is: it says which samples an epoch visits, in which order, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.random import Generator

from data_tools.border import check_array, refuse
from data_tools.registry import Registry, part_name
from data_tools.samples import IntArray


@dataclass(frozen=True, slots=True)
class SamplerInput:
    """What a sampler may look at.

    Attributes:
        label: ``(N,)`` int64 working labels, -1 unknown.
        trusted: ``(N,)`` bool.
        classes: Number of classes C.
        batch_size: Samples in a batch, over all processes.
        epoch: Epochs of the stage that are done.
        epochs: Epochs of the stage.
        generator: Of this epoch: the same in every process.
        synthetic: ``(N,)`` bool, samples that a generator made; None where all are real.
        columns: Further columns of the data set as numbers, N values each; of synthetic samples
            among others ``caption``, ``parent`` and ``quality``.
    """

    label: IntArray
    trusted: np.ndarray
    classes: int
    batch_size: int
    epoch: int
    epochs: int
    generator: Generator
    synthetic: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)

    def take(self, rows: IntArray, batch_size: int) -> SamplerInput:
        """What is known of some samples, which are numbered anew.

        Args:
            rows: ``(n,)`` int64 places.
            batch_size: Of them in a batch.
        """
        return replace(
            self,
            label=self.label[rows],
            trusted=self.trusted[rows],
            batch_size=batch_size,
            synthetic=None if self.synthetic is None else self.synthetic[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
        )


class Sampler(Protocol):
    """Which samples an epoch visits."""

    def order(self, data: SamplerInput) -> IntArray:
        """``(n,)`` int64 samples in the order of their visits; a sample may come several times."""
        ...


def asked_order(sampler: Sampler, data: SamplerInput) -> IntArray:
    """The samples of an epoch, as a sampler orders them.

    Raises:
        ValueError: They are no samples of the data set.
    """
    made = sampler.order(data)
    name, count = part_name("sampler", sampler), len(data.label)
    check_array(name, "an order", made, (None,), ("int",))
    if len(made) and not 0 <= made.min() <= made.max() < count:
        raise refuse(name, f"samples in [0, {count})", f"{made.min()} to {made.max()}")
    return np.asarray(made, dtype=np.int64)


sampler = Registry[Sampler]("sampler", "supcon_ext.samplers")
