"""Vectors of which some coordinates tell nothing."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.policies.base import View, check_bounds, policy
from supcon_ext.policies.keyed import KeyColumns, NoiseRows, hashed
from supcon_ext.policies.vector_view import VectorContext, VectorView

_MASK = 21


class Mask(VectorView):
    """Sets coordinates of a stored view to their mean.

    Args:
        context: Width and statistics.
        share: How likely each coordinate is set.
    """

    def __init__(self, context: VectorContext, share: float) -> None:
        super().__init__(context)
        self.kept = NoiseRows(
            context.width, lambda size, g: (torch.rand(size, generator=g) >= share).float()
        )

    def changed(self, x: Tensor, keys: KeyColumns) -> Tensor:
        """With zeros, which stand for the mean."""
        return x.mul_(self.kept(hashed(keys, _MASK)))


@policy("mask", takes=("vector",))
def mask(context: VectorContext, *, share: Annotated[float, Field(ge=0, lt=1)] = 0.2) -> View:
    """Vectors: coordinates of a drawn stored view set to their mean over the training samples.

    Args:
        context: Width and statistics.
        share: How likely each coordinate is set, by itself.

    Raises:
        ValueError: ``share`` is not in [0, 1].
    """
    check_bounds("share", share, 0, 1)
    return Mask(context, share)
