"""History of predictions: samples whose label the network has predicted over time.

Letters: N samples, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.margins import label_margin
from supcon_ext.selectors.per_class import constant
from supcon_ext.selectors.running_mean import RunningMean


@selector("elr_history")
class ElrHistory(SampleSelector):
    """Believes samples whose label is the mean prediction over time (Liu et al. 2020, ELR).

    Networks learn right labels first; the running mean of predictions remembers them when later a
    wrong label is learned by heart. The mean is that of early-learning regularisation's targets,
    over refreshes and images that are not augmented in place of training steps, and scaled so that
    it sums to 1: divided by 1 - beta ** n after n refreshes. It is also the posterior of the
    selection. The authors' code brings probabilities to [1e-4, 1 - 1e-4] first (``clip``), ELR+ and
    the paper do not; clipped, samples of which the network is sure tie.

    The score is the mean of the given label less the largest of the others. Of classes with the
    same mean the first counts. Scores that are all the same keep every sample, with a warning.

    Args:
        beta: How much of the running mean each refresh keeps.
        clip: Probabilities are brought to [clip, 1 - clip], and to a sum of 1; 0 leaves them alone.
    """

    requires = frozenset({"logits"})
    provides = frozenset({"posterior"})

    def __init__(
        self,
        beta: Annotated[float, Field(ge=0, lt=1)] = 0.7,
        clip: Annotated[float, Field(ge=0, lt=0.5)] = 0.0,
    ) -> None:
        self.mean = RunningMean(beta)
        self.clip = clip

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Take up the predictions, and compare their mean with the labels."""
        predicted = bank.need("logits").float().softmax(1).clamp(self.clip, 1 - self.clip)
        mean = self.mean.add(predicted / predicted.sum(1, keepdim=True))
        score = label_margin(mean, bank.label)
        trusted = mean.argmax(1) == bank.label
        if constant(score):
            trusted = torch.ones_like(trusted)
        stats = {"confident": float(trusted.sum())}
        return Selection.of(bank.label, trusted.float(), stats, score, mean)

    def state_dict(self) -> dict[str, Any]:
        """The running mean."""
        return self.mean.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.mean.load_state_dict(state)
