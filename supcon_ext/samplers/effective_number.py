"""Classes by size over effective number."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from data_tools.samples import IntArray
from supcon_ext.samplers.base import SamplerInput, sampler
from supcon_ext.samplers.by_class import ClassSampler, Shares


@sampler("effective_number")
class EffectiveNumberSampling(ClassSampler):
    """Each sample by its class's inverse effective number: P(c) ~ n_c (1 - b) / (1 - b ** n_c).

    With beta 0 this is plain shuffling, towards 1 it balances the classes. Source: the weights of
    Cui et al. 2019, "Class-balanced loss", eq. 3, as drawing weights of samples (the re-sampling of
    LDAM-DRW, Cao et al. 2019).

    Args:
        beta: b, in [0, 1).
        only: ``trusted`` samples with a known label; or ``all``: the others come too, once each.

    Raises:
        ValueError: ``beta`` is out of bounds.
    """

    def __init__(
        self,
        beta: Annotated[float, Field(ge=0, lt=1)] = 0.9999,
        only: Literal["all", "trusted"] = "all",
    ) -> None:
        super().__init__(only)
        if not 0 <= beta < 1:
            raise ValueError(
                f"Expected a number in [0, 1) of argument `beta`, but got {beta}. Try: 0.9999."
            )
        self.beta = beta

    def shares(self, counts: IntArray, data: SamplerInput) -> Shares:
        """Counts over effective numbers."""
        return counts * (1 - self.beta) / (1 - self.beta**counts)
