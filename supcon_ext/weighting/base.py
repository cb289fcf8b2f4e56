"""What a weighting is: how much contrasts and anchors weigh, in vectors, never in matrices."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from data_tools.registry import Registry
from supcon_ext.losses.pairs import Views, WeightPlan


class Weighting(ABC):
    """Decides the contrast weights w and the anchor weights u of the loss."""

    def columns(self, batch: Views) -> Views | None:
        """Extra contrasts for this batch, or None.

        Args:
            batch: The rows of all processes.

        Returns:
            Rows of unit norm with negative ``uid`` (so that none is a batch row's pair with
            itself).
        """
        return None

    @abstractmethod
    def plan(self, anchors: Views, contrasts: Views, counts: Tensor | None) -> WeightPlan:
        """The weights.

        Args:
            anchors: A rows.
            contrasts: K rows: those of all processes, then the extra ones.
            counts: ``(C,)`` trusted contrasts of each class in the global batch, where the loss
                knows the classes.

        Returns:
            Weights in vectors; None leaves the default of 1.
        """


weighting: Registry[Weighting] = Registry("weighting", "supcon_ext.weighting")
