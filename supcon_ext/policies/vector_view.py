"""Views of vectors: what a policy is told of them, and what its views have in common.

Letters: N training samples, n rows of a batch, V stored views, F coordinates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data_tools.input_spec import InputSpec
from data_tools.samples import ImageArray, SampleSet
from data_tools.vector_rows import gather_vectors
from supcon_ext.policies.keyed import KeyColumns, below, columns_of, hashed, padded

_START, _STRIDE = 1, 2  # purposes of draws, see `hashed`


@dataclass(frozen=True)
class VectorContext:
    """What every policy for vectors is told about the data set.

    Attributes:
        width: F.
        mean: Mean of each coordinate over the training samples, subtracted from the vectors.
        std: Standard deviation of each coordinate, which divides them.
        train: The training samples, whose vectors views may use; labels are none of their business.

    Raises:
        ValueError: Not one mean and one positive std a coordinate.
    """

    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train: SampleSet | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.width:
                raise ValueError(
                    f"Expected one value a coordinate ({self.width}) in argument `{name}`, "
                    f"but got {len(values)}"
                )
        if not all(value > 0 for value in self.std):
            raise ValueError("Expected positive values of argument `std`, but got one that is not.")

    @property
    def spec(self) -> InputSpec:
        """What the samples are."""
        return InputSpec.of_vectors(self.width)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a view."""
        return (self.width,)

    @property
    def channels(self) -> int:
        """F: what a backbone is told of its input."""
        return self.width

    @property
    def told(self) -> str:
        """The samples in words."""
        return f"vectors of {self.width} coordinates"


class VectorView(ABC):
    """One way to turn stored views of a vector into what the network sees.

    A subclass says what becomes of standardised vectors, for a batch at once; one vector is a batch
    of one, so that both are the same to the last bit.

    Args:
        context: Width and statistics.
    """

    draws = True
    """Whether one of the stored views is drawn; else the first is taken."""

    def __init__(self, context: VectorContext) -> None:
        self.width = context.width
        mean, std = (
            torch.tensor(part, dtype=torch.float64) for part in (context.mean, context.std)
        )
        self.scale = (1 / std).float()
        self.shift = (-mean / std).float()

    def __call__(self, sample: ImageArray, key: tuple[int, ...]) -> Tensor:
        """One view.

        Args:
            sample: ``(F,)`` or ``(V, F)`` float32; never written to.
            key: Non-negative integers that decide every random draw.

        Returns:
            ``(F,)`` float32, standardised.
        """
        stored = torch.from_numpy(np.array(sample, np.float32).reshape(1, -1, self.width))
        return self.batch(stored, torch.tensor([padded(key)]))[0]

    def batch(self, x: Tensor, keys: Tensor) -> Tensor:
        """A view of each sample.

        Args:
            x: ``(n, V, F)`` stored views, float16, float32 or float64; never written to.
            keys: ``(n, 5)`` int64, see :mod:`.keyed`.

        Returns:
            ``(n, F)`` float32, standardised.
        """
        told = columns_of(keys)
        views = x.shape[1]
        if views == 1 or not self.draws:
            chosen = x[:, 0]
        else:
            rows = torch.arange(len(x), device=x.device)
            chosen = x[rows, stored_view(told, views)]
        return self.changed(self.standardised(chosen), told)

    def standardised(self, x: Tensor) -> Tensor:
        """``(n, F)`` vectors less the mean, in units of the standard deviation; a new tensor."""
        single = x.float()
        out = None if single is x else single  # a tensor more costs as much as the arithmetic
        return torch.addcmul(self.shift.to(x.device), single, self.scale.to(x.device), out=out)

    @abstractmethod
    def changed(self, x: Tensor, keys: KeyColumns) -> Tensor:
        """``(n, F)`` standardised vectors, which may be written to, as the network sees them."""


def stored_view(keys: KeyColumns, views: int) -> Tensor:
    """``(n,)`` int64 in [0, V): a stored view of each sample.

    The first is drawn, and each next one of a sample in an epoch is a drawn number of places on:
    any single one is as likely as any other, and two views in a row are never the same.
    """
    of_sample = (keys.seed, keys.epoch, keys.sample, keys.visit)
    start = below(hashed(of_sample, _START), views)
    stride = 1 + below(hashed(of_sample, _STRIDE), views - 1)
    return (start + keys.view * stride) % views


def training_vectors(context: VectorContext, places: Any, view: int = 0) -> Tensor:
    """``(n, F)`` float32 stored views of training samples, as they are stored.

    Raises:
        ValueError: The context knows no training samples.
    """
    if context.train is None:
        raise ValueError("Expected the training samples in the context, but got none.")
    stored = gather_vectors(context.train.samples, np.asarray(places), view)
    return torch.from_numpy(stored[:, 0]).float()
