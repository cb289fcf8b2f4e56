"""Area under the margin: samples whose label has been ahead of all others over time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import Field

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.margins import label_margin
from supcon_ext.selectors.mixtures import DIVIDEMIX, gaussian_mixture, low_component
from supcon_ext.selectors.running_mean import RunningMean


@selector("aum")
class Aum(SampleSelector):
    """Believes samples of large mean margin over time (Pleiss et al. 2020, AUM).

    The margin is the logit of the given label less the largest of the others; its mean over all
    refreshes so far is the score. The paper averages over training epochs and draws the line by
    samples that it mislabels on purpose, as a class of their own; here margins are taken at the
    refresh, of images that are not augmented, and two Gaussians are fitted to their means: a sample
    is believed if its posterior of the component of larger mean, which never falls as the margin
    grows, is above the threshold. Means that are all the same keep every sample, with a warning.

    Args:
        threshold: Posterior above which a sample is believed.
        per_class: Fit the samples of each given label by themselves.
    """

    requires = frozenset({"logits"})

    def __init__(
        self,
        threshold: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        per_class: bool = False,
    ) -> None:
        self.threshold = threshold
        self.per_class = per_class
        self.mean = RunningMean()

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Take up the margins, and fit the mixture to their means."""
        margin = self.mean.add(label_margin(bank.need("logits").float(), bank.label))
        posterior, stats = low_component(
            -margin,
            partial(gaussian_mixture, em=DIVIDEMIX, monotone=True),
            bank.label,
            bank.classes,
            self.per_class,
        )
        trust = (posterior > self.threshold).float()
        stats = {"confident": float(trust.sum()), **stats}
        return Selection.of(bank.label, trust, stats, margin)

    def state_dict(self) -> dict[str, Any]:
        """The margins so far."""
        return self.mean.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.mean.load_state_dict(state)
