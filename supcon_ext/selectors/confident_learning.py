"""Confident learning: leave out the labels that a count of confident predictions doubts."""

from __future__ import annotations

import logging
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from data_tools.randomness import generator
from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.confident_joint import (
    normalized_margin,
    off_diagonal_issues,
    prune_by_noise_rate,
)
from supcon_ext.selectors.per_class import folds_by_class, warn_of_small_classes

logger = logging.getLogger(__name__)

FOLDS = 5
FILTERS = {"confident_joint": off_diagonal_issues, "prune_by_noise_rate": prune_by_noise_rate}
IDENTICAL = 1e-9


def cross_validated(features: Tensor, label: Tensor, classes: int, seed: int) -> Tensor:
    """Class probabilities of each sample from a logistic regression on the other folds.

    Five folds with the same share of each class in each, as nearly as it goes; features are scaled
    to unit variance. A class that the other folds lack has probability 0.

    Args:
        features: ``(N, F)`` float.
        label: ``(N,)`` int64.
        classes: Number of classes C.
        seed: Of the folds.

    Returns:
        ``(N, C)`` float64, rows summing to 1.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    lots = torch.from_numpy(generator("confident_learning", seed).random(len(label)))
    fold = folds_by_class(lots, label, FOLDS).numpy()
    known, target = features.double().numpy(), label.numpy()
    made = np.zeros((len(target), classes))
    for held in range(FOLDS):
        test, train = fold == held, fold != held
        if not test.any():
            continue
        present = np.unique(target[train])
        if len(present) < 2:
            made[test] = 1 / classes if len(present) == 0 else np.eye(classes)[present[0]]
            continue
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        model.fit(known[train], target[train])
        made[np.ix_(test, present)] = model.predict_proba(known[test])
    return torch.from_numpy(made)


@selector("confident_learning")
class ConfidentLearning(SampleSelector):
    """Leaves out samples that are confidently of another class (Northcutt et al. 2021).

    A sample is confidently of class k if its probability p_k reaches the mean p_k of those labelled
    k; counts of (given, confident) pairs estimate how labels go wrong. The decisions are those of
    the package ``cleanlab``. The score is the normalised margin, (p of the label - largest other p
    + 1) / 2. Where all samples have the same probabilities every sample is kept.

    Probabilities must be out of sample: a network that has learned its training labels by heart
    doubts none of them.

    Args:
        probabilities: ``neighbours``: votes of the nearest neighbours among the features, where the
            sample itself has none. ``cross_validation``: logistic regression on the features, five
            folds. ``classifier``: the network's own, in sample.
        filter: ``confident_joint``: all off the diagonal of the count matrix.
            ``prune_by_noise_rate``: as many of each cell as its calibrated count, by margin.
        neighbours: K of the votes.
        in_sample: Says that in-sample probabilities are meant; ``classifier`` demands it.
        seed: Of the folds.

    Raises:
        ValueError: ``classifier`` without ``in_sample``.
    """

    requires = frozenset({"features"})
    provides = frozenset({"posterior"})

    def __init__(
        self,
        probabilities: Literal["neighbours", "cross_validation", "classifier"] = "neighbours",
        filter: Literal["confident_joint", "prune_by_noise_rate"] = "confident_joint",
        neighbours: Annotated[int, Field(ge=1)] = 50,
        in_sample: bool = False,
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        if probabilities == "classifier":
            if not in_sample:
                raise ValueError(
                    "Expected out-of-sample probabilities of argument `probabilities`, but got "
                    "`classifier`, which was trained on the labels that it would judge. "
                    "Try: neighbours, or in_sample=True if that is meant"
                )
            self.requires = frozenset({"logits"})
        self.probabilities = probabilities
        self.filter = filter
        self.neighbours = neighbours
        self.seed = seed

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Count, and leave out what the counts doubt."""
        found = self._probabilities(bank)
        label, probability = bank.label.numpy(), found.numpy()
        score = torch.from_numpy(normalized_margin(label, probability))
        if bool((found.max(0).values - found.min(0).values).max() <= IDENTICAL):
            logger.warning("all samples have the same probabilities: keeping every sample")
            issue: NDArray[np.bool_] = np.zeros(len(label), dtype=np.bool_)
        else:
            issue = FILTERS[self.filter](label, probability)
        kept = torch.from_numpy(~issue)
        stats = {"kept": float(kept.sum()), "issues": float(issue.sum())}
        return Selection.of(bank.label, kept, stats, score, found.float())

    def _probabilities(self, bank: SampleBank) -> Tensor:
        if self.probabilities == "classifier":
            return bank.need("logits").double().softmax(1)
        if self.probabilities == "cross_validation":
            return cross_validated(bank.need("features"), bank.label, bank.classes, self.seed)
        warn_of_small_classes(bank.label, bank.classes, self.neighbours)
        graph = bank.neighbours(self.neighbours, "features")
        return graph.vote(bank.label, bank.classes).double()
