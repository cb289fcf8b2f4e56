"""Anchors of rare classes weigh more, by a power of one over the count."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor

from supcon_ext.weightings.anchors import ClassAnchors
from supcon_ext.weightings.base import weighting


@weighting("inverse_frequency")
class InverseFrequency(ClassAnchors):
    """Anchors weigh ``n_c^-power``, summing to C.

    Args:
        power: 1 is one over the count, 0.5 its square root, 0 weighs all classes alike.
    """

    def __init__(self, power: Annotated[float, Field(ge=0)] = 1.0) -> None:
        super().__init__()
        self.power = power

    def class_weights(self, size_C: Tensor) -> Tensor:
        """``(C,)``."""
        return size_C**-self.power
