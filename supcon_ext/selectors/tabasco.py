"""TABASCO: two measures of each sample, and a rule for each class that picks one of them.

Letters: N samples, F features, C classes; n samples of a class.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import torch
from torch import Tensor

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.jsd import jsd_bits
from supcon_ext.selectors.mixtures import Em, Start, TwoGaussians, two_gaussians, unit_range
from supcon_ext.selectors.rolt import centred, class_means

logger = logging.getLogger(__name__)

TABASCO = Em(iterations=30, tolerance=1e-2, variance=5e-4)
NARROW = 0.65  # a far part whose divergences spread less than this share of the near part's
CLOSE = 0.1  # two affinities that differ by less than this share are alike
FLAT = 0.1  # what stands for a spread of 0


def weighted_divergence(probability: Tensor, label: Tensor) -> Tensor:
    """Jensen-Shannon divergence of predictions from labels, weighted.

    The weight is the largest probability over that of the label, at least 1, and at most the same
    quotient of the class's mean prediction.

    Args:
        probability: ``(N, C)`` float64, rows summing to 1.
        label: ``(N,)`` int64.

    Returns:
        ``(N,)`` float64 >= 0, in bits.
    """
    mean, _ = class_means(probability, label, probability.shape[1])
    largest = _over_own(mean[label], label)
    weight = _over_own(probability, label).clamp(min=1).minimum(largest)
    return weight * jsd_bits(probability, label)


def _over_own(probability: Tensor, label: Tensor) -> Tensor:
    own = probability.gather(1, label[:, None])[:, 0]
    return probability.max(1).values / own.clamp(min=1e-300)


def adaptive_centroids(unit: Tensor, probability: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """A centroid of each class, of those of its samples that are most surely of one class.

    That class is the one which the samples are predicted to be of in the mean, those that are
    predicted so beyond the mean counting more; it may be another than their label's. Taken are
    samples predicted to be of it with more than this mean; all of the class where none is.

    Args:
        unit: ``(N, F)`` float64, centred features of unit norm.
        probability: ``(N, C)`` float64, rows summing to 1.
        label: ``(N,)`` int64.

    Returns:
        ``(C, F)`` means, not of unit norm, and ``(C,)`` how many samples were taken.
    """
    classes = probability.shape[1]
    mean, _ = class_means(probability, label, classes)
    top = mean.argmax(1)[label]
    factor = (_at(probability, top) / _at(mean[label], top)).clamp(min=1)
    raised = probability.scatter(1, top[:, None], (factor * _at(probability, top))[:, None])
    bar = class_means(raised, label, classes)[0][label]
    aim = bar.argmax(1)
    sure = (probability.argmax(1) == aim) & (_at(probability, aim) > _at(bar, aim))
    none_sure = torch.bincount(label[sure], minlength=classes) == 0
    taken = sure | none_sure[label]
    return class_means(unit[taken], label[taken], classes)


def _at(rows: Tensor, column: Tensor) -> Tensor:
    return rows.gather(1, column[:, None])[:, 0]


def by_divergence(fitted: TwoGaussians, divergence: Tensor, far: Tensor) -> bool:
    """Whether the weighted divergence separates a class, rather than the centroid.

    It does where both parts that the centroid separates are, in the mean, of large divergence;
    where the part of large divergence spreads much less than that of small divergence; and where
    the centroid separates nothing. If both parts are of small divergence, the spread of large
    divergence counts as 1.

    Args:
        fitted: Two Gaussians, fitted to the divergences.
        divergence: ``(n,)`` float64 in [0, 1].
        far: ``(n,)`` bool, the part that is far from the centroid.
    """
    if bool(far.all()) or not bool(far.any()):
        return True
    low_spread, high_spread, parts_low = 1.0, 1.0, 0
    for part in (divergence[far], divergence[~far]):
        low = bool(fitted.posterior(part.mean()[None])[0] > 0.5)
        spread = float(part.std(correction=0)) or FLAT
        parts_low += low
        low_spread, high_spread = (spread, high_spread) if low else (low_spread, spread)
    return parts_low == 0 or high_spread / low_spread < NARROW


def far_is_right(centroid: Tensor, number: Tensor, class_: int) -> bool:
    """Whether a class's centroid is another's, so that what is far from it has the right label.

    It is where another, larger class is about as near to the centroid as the class itself: the
    softmax of the centroids' inner products differs by less than a tenth.

    Args:
        centroid: ``(C, F)`` float64.
        number: ``(C,)`` samples each was made of; 0 for a class without samples.
        class_: Whose.
    """
    affinity = (centroid @ centroid[class_]).masked_fill(number == 0, -torch.inf).softmax(0)
    others = affinity.clone()
    others[class_] = 0
    nearest = int(others.argmax())
    close = abs(float(affinity[class_] - others[nearest])) < CLOSE * float(affinity[class_])
    return close and bool(number[class_] < number[nearest])


@selector("tabasco")
class Tabasco(SampleSelector):
    """Separates each class by one of two measures (Lu et al. 2023, TABASCO).

    One is the Jensen-Shannon divergence of the prediction from the label, weighted where another
    class is predicted (:func:`weighted_divergence`); the other is the inner product with the
    class's adaptive centroid (:func:`adaptive_centroids`). Two Gaussians are fitted to each, class
    by class, on [0, 1]. :func:`by_divergence` picks the measure. By divergence the part of small
    values is believed; by the centroid the near part, or the far one where the centroid is that of
    a larger class (:func:`far_is_right`), as in tail classes most of whose labels are wrong.

    The score is the posterior of the believed part. A class in which one measure says nothing goes
    by the other; where both do, as in a class of one sample, it is kept whole, with a warning.

    The authors' code starts EM from k-means of a random seed (option ``start``), and averages
    predictions over batches of one class, the last of which may be small. Where one measure of a
    class says nothing, or the centroid separates nothing, it fails.

    Args:
        start: Where EM starts: from the ``best_split`` of the values in two, or from ``k_means``,
            as the authors' code (here with seed 0).
    """

    requires = frozenset({"features", "logits"})

    def __init__(self, start: Start = "best_split") -> None:
        self.start = start

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Measure every sample, and separate class by class."""
        probability = bank.need("logits").double().softmax(1)
        unit = centred(bank.need("features"))
        divergence = weighted_divergence(probability, bank.label)
        centroid, number = adaptive_centroids(unit, probability, bank.label)
        nearness = (unit * centroid[bank.label]).sum(1)
        right = torch.ones(len(bank), dtype=torch.float32, device=unit.device)
        counts = {"by_divergence": 0, "by_far": 0, "classes_kept_whole": 0}
        for class_ in range(bank.classes):
            members = (bank.label == class_).nonzero()[:, 0]
            if not len(members):
                continue
            found, way = self._separate(
                divergence[members], nearness[members], far_is_right(centroid, number, class_)
            )
            right[members] = found
            if way in counts:
                counts[way] += 1
        if counts["classes_kept_whole"]:
            logger.warning(
                "%d classes have fewer than two samples or measures that are alike, and are "
                "trusted whole",
                counts["classes_kept_whole"],
            )
        trust = (right > 0.5).float()
        stats = {name: float(count) for name, count in counts.items()}
        return Selection.of(bank.label, trust, {"confident": float(trust.sum()), **stats}, right)

    def _separate(self, divergence: Tensor, nearness: Tensor, far: bool) -> tuple[Tensor, str]:
        em = replace(TABASCO, start=self.start)
        divergence, nearness = unit_range(divergence), unit_range(nearness)
        by_label, by_place = two_gaussians(divergence, em), two_gaussians(nearness, em)
        if by_place is None:
            if by_label is None:
                return torch.ones_like(divergence, dtype=torch.float32), "classes_kept_whole"
            return by_label.posterior(divergence), "by_divergence"
        far_off = by_place.posterior(nearness)
        if by_label is not None and by_divergence(by_label, divergence, far_off > 0.5):
            return by_label.posterior(divergence), "by_divergence"
        return (far_off, "by_far") if far else (1 - far_off, "by_near")
