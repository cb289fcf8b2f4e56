"""Numbers that say how well classes were predicted.

Shape letters: N samples, C classes, M bins of confidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import harmonic_mean
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from supcon_ext.evaluation.base import Prediction

if TYPE_CHECKING:
    from data_tools.shot_groups import ShotGroups


def scores(
    prediction: Prediction, classes: Sequence[str], groups: ShotGroups, bins: int = 15
) -> dict[str, float]:
    """Every number of this module in one dictionary: :func:`accuracy_scores`, ``ece`` and ``nll``.

    Args:
        prediction: N predictions over C classes.
        classes: Names of the C classes.
        groups: Shot groups of the classes.
        bins: Number of confidence bins of the calibration error.

    Raises:
        ValueError: Another number of classes than names, or ``bins`` below 1.
    """
    if len(classes) != prediction.probabilities.shape[1]:
        raise ValueError(
            f"Expected {prediction.probabilities.shape[1]} names of argument `classes`, one "
            f"a column of the probabilities, but got {len(classes)}."
        )
    return {
        **accuracy_scores(prediction, groups),
        "ece": expected_calibration_error(prediction, bins),
        "nll": negative_log_likelihood(prediction),
    }


def accuracy_scores(prediction: Prediction, groups: ShotGroups) -> dict[str, float]:
    """Accuracies over samples, over classes and over shot groups, all in ``[0, 1]``.

    ``accuracy`` is over samples; ``balanced_accuracy`` is the mean of the per-class accuracies over
    the classes that have samples; ``worst_class`` and ``harmonic_mean`` are their least and their
    harmonic mean (0 where a class is never right). ``accuracy_many``, ``accuracy_medium`` and
    ``accuracy_few`` are means of per-class accuracies in the group (Liu et al. 2019, "Large-Scale
    Long-Tailed Recognition in an Open World"); a group without classes, or whose classes have no
    sample here, has no key.
    """
    by_class = per_class_accuracy(prediction)
    present = by_class[~by_class.isnan()]
    result = {
        "accuracy": float((prediction.predicted == prediction.label).double().mean()),
        "balanced_accuracy": float(present.mean()),
        "worst_class": float(present.min()),
        "harmonic_mean": float(harmonic_mean(present.tolist())),
    }
    for name in ("many", "medium", "few"):
        members = by_class[list(getattr(groups, name))]
        members = members[~members.isnan()]
        if len(members):
            result[f"accuracy_{name}"] = float(members.mean())
    return result


def per_class_accuracy(prediction: Prediction) -> Tensor:
    """``(C,)`` float64: share of each class that is right; NaN for one without samples."""
    from sklearn.metrics import recall_score

    recall = recall_score(
        prediction.label.numpy(),
        prediction.predicted.numpy(),
        labels=range(prediction.probabilities.shape[1]),
        average=None,
        zero_division=float("nan"),
    )
    return torch.as_tensor(recall, dtype=torch.float64)


def confusion_matrix(prediction: Prediction) -> Tensor:
    """``(C, C)`` int64: how many samples of the row's class were predicted as the column's."""
    from sklearn import metrics

    matrix = metrics.confusion_matrix(
        prediction.label.numpy(),
        prediction.predicted.numpy(),
        labels=range(prediction.probabilities.shape[1]),
    )
    return torch.as_tensor(matrix, dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predictions gathered in M bins of confidence.

    Attributes:
        edges: ``(M + 1,)`` float64, equally spaced over ``[0, 1]``; a bin holds its upper edge, not
            its lower.
        count: ``(M,)`` int64, predictions in each bin.
        confidence: ``(M,)`` float64, mean confidence; NaN in an empty bin.
        accuracy: ``(M,)`` float64, share of right predictions; NaN in an empty bin.
    """

    edges: Tensor
    count: Tensor
    confidence: Tensor
    accuracy: Tensor


def reliability(prediction: Prediction, bins: int = 15) -> Reliability:
    """Sort predictions by confidence, the greatest probability of each, into bins of equal width.

    Bins are ``(lo, hi]`` over ``(0, 1]`` as in Guo et al. 2017, section 2. torchmetrics has
    ``[lo, hi)`` and gives confidences of exactly 1, which float32 softmax often reaches, a bin of
    their own: hence computed here.

    Raises:
        ValueError: ``bins`` is below 1.
    """
    if bins < 1:
        raise ValueError(f"Expected at least 1 of argument `bins`, but got {bins}. Try: 15.")
    confidence, predicted = prediction.probabilities.max(dim=1)
    edges = torch.arange(bins + 1, dtype=torch.float64) / bins
    # Edges rounded to the confidences' dtype: a float32 0.6 lies on the edge 0.6, not above it.
    bin_of = torch.bucketize(confidence, edges[1:-1].to(confidence.dtype))
    count = bin_of.bincount(minlength=bins)
    correct = (predicted == prediction.label).double()
    return Reliability(
        edges=edges,
        count=count,
        confidence=bin_of.bincount(weights=confidence.double(), minlength=bins) / count,
        accuracy=bin_of.bincount(weights=correct, minlength=bins) / count,
    )


def expected_calibration_error(prediction: Prediction, bins: int = 15) -> float:
    """Mean distance of accuracy and confidence over bins weighted by count, in ``[0, 1]``.

    ``ECE = sum_m |B_m| / N * |acc(B_m) - conf(B_m)|`` (Guo et al. 2017, Eq. 3, who use 15 bins).
    """
    found = reliability(prediction, bins)
    filled = found.count > 0
    gap = (found.accuracy - found.confidence)[filled].abs()
    return float((gap * found.count[filled]).sum() / found.count.sum())


def negative_log_likelihood(prediction: Prediction) -> float:
    """Mean of ``-log p(label)`` in nats, with ``p`` no lower than float32's epsilon (1.2e-7)."""
    floor = torch.finfo(torch.float32).eps
    return float(
        F.nll_loss(prediction.probabilities.double().clamp_min(floor).log(), prediction.label)
    )


def brier_score(prediction: Prediction) -> float:
    """Mean squared distance of probabilities from the one-hot label, over classes, in ``[0, 2]``.

    The multi-class form of Brier 1950.
    """
    p = prediction.probabilities.double()
    of_label = p.gather(1, prediction.label[:, None]).squeeze(1)
    return float((p.square().sum(1) - 2 * of_label + 1).mean())
