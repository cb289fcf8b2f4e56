"""Arazo et al.'s rule: the samples of small loss, told from the others by two Beta densities."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from pydantic import Field

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.betas import Scaling, beta_mixture
from supcon_ext.selectors.mixtures import low_component


@selector("bmm")
class Bmm(SampleSelector):
    """Believes samples of small loss, by a mixture of two Beta densities (Arazo et al. 2019).

    As ``gmm``, with components that fit skewed losses better. Losses that are all the same keep
    every sample, with a warning. The score is the loss, negated.

    The authors' code brings the losses to [0, 1] by their 5th and 95th percentile, so that one loss
    far out does not press all others together; the paper says by the smallest and the largest:
    ``scaling``. The code looks posteriors up in a table of 100 values, which is not done here. And
    where the high component's density rises at 0 too, its table takes every sample for wrong; here
    the smallest losses are believed.

    On frozen features of a pretrained encoder small losses are said to fail: those of right and
    wrong labels overlap by 53 to 61 % (a benchmark of 6,000 runs, arXiv 2605.22591), where counts
    of predictions that agree hold better (``disagreement``). What ``gmm`` does there is told there.

    Args:
        scaling: What becomes 0 and 1: the 5th and 95th ``percentiles``, between which the densities
            are fitted (the code), or the ends of the ``range`` (the paper).
        threshold: Posterior of the low component above which a sample is believed.
        per_class: Fit the samples of each given label by themselves.
        soft: Trust each sample by its posterior, in place of wholly or not at all, with a threshold
            of 0.5: what ``dynamic_bootstrap`` weighs labels by.
    """

    requires = frozenset({"loss"})

    def __init__(
        self,
        scaling: Scaling = "percentiles",
        threshold: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        per_class: bool = False,
        soft: bool = False,
    ) -> None:
        if soft and threshold != 0.5:
            raise ValueError(
                "Expected 0.5 of argument `threshold` beside soft trust, which is believed above "
                f"0.5, but got {threshold}. Try: soft=false"
            )
        self.scaling = scaling
        self.threshold = threshold
        self.per_class = per_class
        self.soft = soft

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Fit the mixture to the losses."""
        loss = bank.need("loss")
        posterior, stats = low_component(
            loss,
            partial(beta_mixture, scaling=self.scaling),
            bank.label,
            bank.classes,
            self.per_class,
        )
        kept = posterior > self.threshold
        trust = posterior if self.soft else kept.float()
        stats = {"confident": float(kept.sum()), **stats}
        return Selection.of(bank.label, trust, stats, -loss)
