"""Class-balanced anchors by the effective number of samples."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from supcon_ext.weightings.anchors import ClassAnchors
from supcon_ext.weightings.base import weighting


@weighting("effective_number")
class EffectiveNumberWeights(ClassAnchors):
    """Anchors weigh ``(1 - beta) / (1 - beta^n_c)`` (Cui et al. 2019, eq. 3), summing to C.

    Args:
        beta: 0 weighs all classes alike; near 1 it is one over the count.
    """

    def __init__(self, beta: Annotated[float, Field(ge=0, lt=1)] = 0.9999) -> None:
        super().__init__()
        self.beta = beta

    def class_weights(self, size_C: Tensor) -> Tensor:
        """``(C,)``."""
        return (1 - self.beta) / (1 - self.beta**size_C)
