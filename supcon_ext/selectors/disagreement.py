"""Disagreements counted: samples whose label the network has not predicted, over time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.betas import beta_mixture
from supcon_ext.selectors.mixtures import low_component
from supcon_ext.selectors.running_mean import RunningMean


@selector("disagreement")
class Disagreement(SampleSelector):
    """Believes samples whose label is seldom other than the prediction (Zhang et al. 2025, IDO).

    A sample has a wrong event at each refresh at which the network predicts another class than the
    given label. Counts over time tell a hard sample, which is learned late, from a wrong label
    better than one loss does, above all with pretrained encoders. As in IDO two Beta densities are
    fitted to them, over all samples or, which the authors found better, by class; a sample is
    believed if its posterior of the component of fewer events is above the threshold. Counts that
    are all the same keep every sample, with a warning. The score is the share of refreshes that
    agree.

    IDO counts at every epoch of a first stage of training, and then weighs its loss by the
    posterior for the rest; here counts grow with every refresh, on images that are not augmented.

    Args:
        rule: ``mixture``, or the ``count`` itself: believed is a sample whose label was predicted
            in a larger share of the refreshes than the threshold.
        threshold: What the posterior, or that share, must be above.
        per_class: Of ``mixture``: fit the samples of each given label by themselves.
        soft: Of ``mixture``: trust each sample by its posterior, with a threshold of 0.5.
    """

    requires = frozenset({"logits"})

    def __init__(
        self,
        rule: Literal["mixture", "count"] = "mixture",
        threshold: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        per_class: bool = False,
        soft: bool = False,
    ) -> None:
        if rule == "count" and (per_class or soft):
            raise ValueError(
                "Expected `per_class` and `soft` only with rule 'mixture' of `disagreement`, but "
                "got rule 'count'. Try: rule=mixture"
            )
        if soft and threshold != 0.5:
            raise ValueError(
                "Expected 0.5 of argument `threshold` beside soft trust, which is believed above "
                f"0.5, but got {threshold}. Try: soft=false"
            )
        self.rule = rule
        self.threshold = threshold
        self.per_class = per_class
        self.soft = soft
        self.events = RunningMean()

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Count the events, and believe by their number."""
        wrong = bank.need("logits").argmax(1) != bank.label
        share = self.events.add(wrong.float())
        found, stats = 1 - share, dict[str, float]()
        if self.rule == "mixture":
            found, stats = low_component(
                share,
                partial(beta_mixture, scaling="range"),
                bank.label,
                bank.classes,
                self.per_class,
            )
        believed = found > self.threshold
        stats = {
            "confident": float(believed.sum()),
            "wrong_events": float(wrong.sum()),
            **stats,
        }
        trust = found if self.soft else believed.float()
        return Selection.of(bank.label, trust, stats, 1 - share)

    def state_dict(self) -> dict[str, Any]:
        """The events so far, and the number of refreshes."""
        return self.events.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.events.load_state_dict(state)
