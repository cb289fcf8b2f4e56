"""Arazo et al.'s rule: the samples of small loss, told from the others by two Beta densities."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.mixtures import beta_mixture, low_component


@selector("bmm")
class Bmm(SampleSelector):
    """Believes samples of small loss, by a mixture of two Beta densities (Arazo et al. 2019).

    As ``gmm``, with components that fit skewed losses better. Losses that are all the same keep
    every sample, with a warning. The score is the loss, negated.

    Args:
        threshold: Posterior of the low component above which a sample is believed.
        per_class: Fit the samples of each given label by themselves.
    """

    requires = frozenset({"loss"})

    def __init__(
        self,
        threshold: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        per_class: bool = False,
    ) -> None:
        self.threshold = threshold
        self.per_class = per_class

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Fit the mixture to the losses."""
        loss = bank.need("loss")
        posterior, stats = low_component(
            loss, beta_mixture, bank.label, bank.classes, self.per_class
        )
        trust = (posterior > self.threshold).float()
        stats = {"confident": float(trust.sum()), **stats}
        return Selection.of(bank.label, trust, stats, -loss)
