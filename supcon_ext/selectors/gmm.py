"""DivideMix's rule: the samples of small loss, told from the others by two Gaussians."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.mixtures import (
    DIVIDEMIX,
    gaussian_mixture,
    low_component,
    unit_range,
)


@selector("gmm")
class Gmm(SampleSelector):
    """Believes samples of small loss, by a mixture of two Gaussians (Li et al. 2020, DivideMix).

    The loss is the cross-entropy of images that are not augmented, brought to [0, 1]; a sample is
    believed if its posterior of the component of lower mean is above the threshold. DivideMix
    trains two networks on each other's choice; this is the choice alone, of one network.

    EM takes the authors' settings: at most 10 iterations, tolerance 0.01, 5e-4 added to variances.
    Theirs starts from one run of k-means, which with few samples may stop at a split that is not
    the best; here it starts from the best. Losses that are all the same keep every sample, with a
    warning. The score is the loss, negated.

    On frozen features of a pretrained encoder small losses are said to fail: those of right and
    wrong labels overlap by 53 to 61 % (a benchmark of 6,000 runs, arXiv 2605.22591), where counts
    of predictions that agree hold better (``disagreement``). Here, on EfficientNet-Lite0's vectors
    of a long-tailed CIFAR-10 with 40 % wrong labels (``sweeps/features-cifar10``, symmetric), 72 %
    of what it believes is right where 60 % of all are, but of rare classes hardly more than without
    it: 32 % for 23 % at factor 20, 12 % for 9 % at factor 100. ``confident_pairs`` with a threshold
    for each class comes to 92 and 87 %, and of rare classes to 64 and 22 %.

    Args:
        history: Refreshes whose losses are averaged, each brought to [0, 1] first. DivideMix takes
            5 where it knows that nine labels in ten are wrong, else 1.
        threshold: Posterior above which a sample is believed.
        per_class: Fit the samples of each given label by themselves, so that a class that is
            learned late is not taken for wrong labels.
    """

    requires = frozenset({"loss"})

    def __init__(
        self,
        history: Annotated[int, Field(ge=1)] = 1,
        threshold: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        per_class: bool = False,
    ) -> None:
        self.history = history
        self.threshold = threshold
        self.per_class = per_class
        self.losses: list[Tensor] = []

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Fit the mixture to the mean of the last losses.

        Raises:
            ValueError: The number of samples is not that of the refresh before.
        """
        loss = bank.need("loss")
        if self.losses and len(self.losses[0]) != len(loss):
            raise ValueError(
                f"Expected the same {len(self.losses[0])} samples at every refresh of `gmm`, but "
                f"got {len(loss)}. Try: history=1, or `gmm` before selectors that leave some out"
            )
        if self.history > 1:
            self.losses = [*self.losses, unit_range(loss).float()][-self.history :]
            loss = torch.stack(self.losses).mean(0)
        em = replace(DIVIDEMIX, unit=self.history == 1)  # a mean of [0, 1] is fitted as it is
        posterior, stats = low_component(
            loss,
            partial(gaussian_mixture, em=em),
            bank.label,
            bank.classes,
            self.per_class,
        )
        trust = (posterior > self.threshold).float()
        stats = {"confident": float(trust.sum()), **stats}
        return Selection.of(bank.label, trust, stats, -loss)

    def state_dict(self) -> dict[str, Any]:
        """The losses of the last refreshes."""
        return {"losses": list(self.losses)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.losses = list(state["losses"])
