"""Vectors with noise on every coordinate."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.policies.base import View, check_bounds, policy
from supcon_ext.policies.keyed import KeyColumns, NoiseRows, hashed
from supcon_ext.policies.vector_view import VectorContext, VectorView

_NOISE = 11


class GaussianNoise(VectorView):
    """Adds normal noise to a stored view.

    Args:
        context: Width and statistics.
        std: Standard deviation of the noise.
    """

    def __init__(self, context: VectorContext, std: float) -> None:
        super().__init__(context)
        self.std = std
        self.noise = NoiseRows(context.width, lambda size, g: torch.randn(size, generator=g))

    def changed(self, x: Tensor, keys: KeyColumns) -> Tensor:
        """With noise."""
        return x.add_(self.noise(hashed(keys, _NOISE)), alpha=self.std)


@policy("gaussian_noise", takes=("vector",))
def gaussian_noise(
    context: VectorContext, *, std: Annotated[float, Field(ge=0, le=10)] = 0.3
) -> View:
    """Vectors: normal noise on a drawn stored view.

    Args:
        context: Width and statistics.
        std: Standard deviation of the noise, where that of each coordinate over the training
            samples is 1.

    Raises:
        ValueError: ``std`` is not in [0, 10].
    """
    check_bounds("std", std, 0, 10)
    return GaussianNoise(context, std)
