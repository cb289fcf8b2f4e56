"""RoLT: samples near their class's centroid, and soft pseudo-labels for the others.

Letters: N samples, F features, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.mixtures import Em, Start, gaussian_mixture, low_component
from supcon_ext.selectors.running_mean import RunningMean

ROLT = Em(iterations=100, tolerance=1e-3, variance=1e-6)
CLASSIFIER, NEAREST, GIVEN, EVENLY = 0.4, 0.2, 0.2, 0.2


def centred(features: Tensor) -> Tensor:
    """Features less their mean, each brought to unit norm: ``(N, F)`` float64."""
    features = features.double()
    return functional.normalize(features - features.mean(0), dim=1)


def class_means(values: Tensor, label: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """The mean of each class's rows, 0 for a class without any; and how many rows it has.

    Args:
        values: ``(n, D)`` float.
        label: ``(n,)`` int64 in [0, C).
        classes: Number of classes C.

    Returns:
        ``(C, D)`` and ``(C,)`` int64.
    """
    number = torch.bincount(label, minlength=classes)
    total = values.new_zeros(classes, values.shape[1]).index_add_(0, label, values)
    return total / number.clamp(min=1)[:, None], number


def squared_distances(unit: Tensor, label: Tensor, classes: int, taken: Tensor) -> Tensor:
    """Of every sample from every class's centroid.

    Args:
        unit: ``(N, F)`` float64.
        label: ``(N,)`` int64 in [0, C).
        classes: Number of classes C.
        taken: ``(N,)`` bool, whose mean the centroids are; they are not brought to unit norm.

    Returns:
        ``(N, C)`` float64; infinite from a class of which nothing is taken.
    """
    centroid, number = class_means(unit[taken], label[taken], classes)
    return torch.cdist(unit, centroid).square().masked_fill(number == 0, torch.inf)


@selector("rolt")
class RoLT(SampleSelector):
    """Believes samples near the centroid of their label's class (Wei et al. 2021, RoLT).

    A centroid is the mean of its class's backbone features, centred over all samples and of unit
    norm. Two Gaussians are fitted to the squared distances of each class from its own centroid; the
    near ones then make the centroids anew, and a sample is believed if its posterior of the near
    component, fitted to the new distances, is above the threshold. Tail classes, whose losses fall
    late, are not taken for wrong labels so. A class without a near sample, of one sample, or whose
    distances are all the same, is kept whole. The score is the new distance, negated.

    The posterior of the selection holds soft pseudo-labels: one-hot where the label is believed;
    else 0.4 for the class that the classifier predicts, 0.2 for that of the nearest centroid, 0.2
    for the given one, and 0.2 spread evenly. Both predictions are those of the running mean over
    refreshes, of logits and of negative distances. ``cross_entropy: {target: posterior}`` learns
    them. The authors change these shares once they weigh classes late in training (half for the
    label that is then settled, half evenly), which is not done here.

    The authors' code divides its running mean by 1 - beta^t at each refresh, and keeps the
    quotient, so that the first refreshes weigh several times too much; both are the same after some
    20 refreshes. It stacks the centroids of those classes that have a label, so that class numbers
    shift where one has none; here such a class is never the nearest. It starts EM from k-means of
    seed 0: option ``start``.

    Args:
        threshold: Posterior above which a sample is believed.
        beta: How much of the running mean each refresh keeps.
        start: Where EM starts: from the ``best_split`` of the distances in two, or from
            ``k_means``, as the authors' code.
    """

    requires = frozenset({"features", "logits"})
    provides = frozenset({"posterior"})

    def __init__(
        self,
        threshold: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        beta: Annotated[float, Field(ge=0, lt=1)] = 0.6,
        start: Start = "best_split",
    ) -> None:
        self.threshold = threshold
        self.start = start
        self.logits = RunningMean(beta)
        self.nearness = RunningMean(beta)

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Measure, fit, measure from the centroids of those that are near, and fit again."""
        unit = centred(bank.need("features"))
        every = torch.ones(len(bank), dtype=torch.bool, device=unit.device)
        first = squared_distances(unit, bank.label, bank.classes, every)
        near, _ = self._near(first, bank)
        distance = squared_distances(unit, bank.label, bank.classes, near)
        trusted, stats = self._near(distance, bank)
        classifier = self.logits.add(bank.need("logits").float()).argmax(1)
        nearest = self.nearness.add(-distance).argmax(1)
        posterior = soft_labels(bank.label, trusted, classifier, nearest, bank.classes)
        score = -distance.gather(1, bank.label[:, None])[:, 0]
        stats = {"confident": float(trusted.sum()), **stats}
        return Selection.of(bank.label, trusted.float(), stats, score, posterior)

    def _near(self, distance: Tensor, bank: SampleBank) -> tuple[Tensor, dict[str, float]]:
        own = distance.gather(1, bank.label[:, None])[:, 0]
        em = replace(ROLT, start=self.start)
        posterior, stats = low_component(
            own, partial(gaussian_mixture, em=em), bank.label, bank.classes, per_class=True
        )
        near = posterior > self.threshold
        none_near = torch.bincount(bank.label[near], minlength=bank.classes) == 0
        return near | none_near[bank.label], stats

    def state_dict(self) -> dict[str, Any]:
        """Both running means."""
        return {"logits": self.logits.state_dict(), "nearness": self.nearness.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.logits.load_state_dict(state["logits"])
        self.nearness.load_state_dict(state["nearness"])


def soft_labels(
    label: Tensor, trusted: Tensor, classifier: Tensor, nearest: Tensor, classes: int
) -> Tensor:
    """One-hot where the label is trusted, else RoLT's shares of four opinions.

    Args:
        label: ``(N,)`` int64 given labels.
        trusted: ``(N,)`` bool.
        classifier: ``(N,)`` int64, the class that the classifier predicts.
        nearest: ``(N,)`` int64, the class of the nearest centroid.
        classes: Number of classes C.

    Returns:
        ``(N, C)`` float32, rows summing to 1.
    """
    given, predicted, near = (
        functional.one_hot(vote, classes).float() for vote in (label, classifier, nearest)
    )
    soft = CLASSIFIER * predicted + NEAREST * near + GIVEN * given + EVENLY / classes
    return torch.where(trusted[:, None], given, soft)
