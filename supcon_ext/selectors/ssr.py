"""SSR: relabel where the classifier is sure, keep where the neighbours say the same."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.neighbours import NeighbourGraph
from supcon_ext.selectors.per_class import warn_of_small_classes


def balanced_vote(graph: NeighbourGraph, label: Tensor, classes: int) -> Tensor:
    """Votes of the neighbours and of the sample itself, divided by the classes' share of labels.

    Args:
        graph: K - 1 neighbours of each of N samples.
        label: ``(N,)`` int64, what each votes for.
        classes: Number of classes C.

    Returns:
        ``(N, C)`` float64 >= 0, not normalised; 0 for a class without samples.
    """
    others = graph.index.shape[1]
    own = functional.one_hot(label, classes).double()
    count = (graph.vote(label, classes).double() * others).round() + own
    prior = torch.bincount(label, minlength=classes).double() / len(label)
    return count / (others + 1) / prior.clamp(min=1e-12)


@selector("ssr")
class SSR(SampleSelector):
    """Relabels by confident predictions and keeps whom the neighbours confirm (Feng et al. 2022).

    A sample whose largest probability exceeds ``theta_r`` takes that class as its label. Then the K
    nearest samples, itself among them, vote with these labels, uniformly, and each class's votes
    are divided by its share of the labels. Kept is whose label has at least ``theta_s`` times the
    votes of the class with most; this ratio is the score.

    Neighbours are searched among the backbone features: the classifier that relabels reads the
    same, and a projection head throws away what its own loss does not need. Relabelling starts from
    the given labels each time.

    Args:
        theta_r: Probability above which a sample is relabelled; published values are 0.8 and 0.9,
            for more and less noise. 1 never relabels.
        theta_s: Ratio of votes from which a sample is kept; 1 is the published one.
        neighbours: K, the sample itself included.
    """

    requires = frozenset({"logits", "features"})
    provides = frozenset({"posterior"})

    def __init__(
        self,
        theta_r: Annotated[float, Field(ge=0, le=1)] = 0.9,
        theta_s: Annotated[float, Field(ge=0, le=1)] = 1.0,
        neighbours: Annotated[int, Field(ge=2)] = 200,
    ) -> None:
        self.theta_r = theta_r
        self.theta_s = theta_s
        self.neighbours = neighbours

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Relabel, vote, compare."""
        sure, predicted = bank.need("logits").double().softmax(1).max(1)
        label = torch.where(sure > self.theta_r, predicted, bank.label)
        warn_of_small_classes(label, bank.classes, self.neighbours)
        graph = bank.neighbours(self.neighbours - 1, "features")
        vote = balanced_vote(graph, label, bank.classes)
        ratio = vote.gather(1, label[:, None])[:, 0] / vote.max(1).values
        kept = ratio >= self.theta_s
        stats = {
            "kept": float(kept.sum()),
            "relabelled": float((label != bank.label).sum()),
        }
        posterior = (vote / vote.sum(1, keepdim=True)).float()
        return Selection.of(label, kept, stats, ratio, posterior)
