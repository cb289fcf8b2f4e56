"""What a selection of samples is worth, where the true labels are known.

A sample is *right* if its working label, given or corrected, is the true one; an open-set sample,
whose true label is -1, never is. What does not apply (precision where nothing is selected) is left
out of the answer.

Shape letters: N samples, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from data_tools.shot_groups import ShotGroups

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]

GROUPS = ("many", "medium", "few")


def is_right(label: IntArray, truth: IntArray) -> BoolArray:
    """``(N,)`` bool: the label is the true one; never where the truth is -1.

    Args:
        label: ``(N,)`` int64, given or corrected.
        truth: ``(N,)`` int64 true labels, -1 for open-set samples.
    """
    right: BoolArray = (label == truth) & (truth >= 0)
    return right


def selection_counts(given: IntArray, working: IntArray, selected: BoolArray) -> dict[str, float]:
    """What can be said without true labels.

    Args:
        given: ``(N,)`` int64 given labels, N > 0.
        working: ``(N,)`` int64 labels that training takes.
        selected: ``(N,)`` bool.

    Returns:
        ``selected`` and ``relabelled`` samples, and ``estimated_noise_rate``: the share of samples
        whose given label the selection does not believe, being rejected or replaced.
    """
    return {
        "selected": float(selected.sum()),
        "relabelled": float((working != given).sum()),
        "estimated_noise_rate": 1.0 - float((selected & (working == given)).mean()),
    }


def example_quality(
    selected: BoolArray, right: BoolArray, score: FloatArray | None = None
) -> dict[str, float]:
    """How well the selected are the right ones.

    Args:
        selected: ``(N,)`` bool.
        right: ``(N,)`` bool: whose label is right.
        score: ``(N,)`` finite, larger for the more believed; None leaves ``auc`` out.

    Returns:
        ``precision``, the share of the selected that are right (label precision of Han et al.
        2018, "Co-teaching"); ``recall``, the share of the right that are selected; ``f1``;
        ``specificity``, the share of the wrong that are not selected; ``accuracy`` of the decision;
        ``auc`` of the score, where there are right and wrong ones.
    """
    hits = int((selected & right).sum())
    chosen, true, wrong = int(selected.sum()), int(right.sum()), int((~right).sum())
    found: dict[str, float] = {}
    if chosen:
        found["precision"] = hits / chosen
    if true:
        found["recall"] = hits / true
    if chosen + true:
        found["f1"] = 2 * hits / (chosen + true)
    if wrong:
        found["specificity"] = 1 - (chosen - hits) / wrong
    if len(right):
        found["accuracy"] = float((selected == right).mean())
    if score is not None and true and wrong:
        from sklearn.metrics import roc_auc_score

        found["auc"] = float(roc_auc_score(right, score))
    return found


def correction_quality(given: IntArray, working: IntArray, truth: IntArray) -> dict[str, float]:
    """How well labels were corrected.

    Args:
        given: ``(N,)`` int64.
        working: ``(N,)`` int64.
        truth: ``(N,)`` int64, -1 for open-set samples, which count as mislabelled for good.

    Returns:
        ``correction_accuracy``, the share of right working labels; ``noise_rate``, the share of
        wrong given ones; ``repair_rate``, the share of mislabelled samples whose working label is
        true; ``damage_rate``, the share of rightly labelled ones whose working label is wrong.
    """
    if not len(truth):
        return {}
    now, before = is_right(working, truth), is_right(given, truth)
    found = {
        "correction_accuracy": float(now.mean()),
        "noise_rate": float((~before).mean()),
    }
    if not before.all():
        found["repair_rate"] = float(now[~before].mean())
    if before.any():
        found["damage_rate"] = float((~now[before]).mean())
    return found


def churn(selected: BoolArray, before: BoolArray) -> float:
    """``|T_t symmetric difference T_{t-1}| / N`` of two selections of the same N > 0 samples."""
    return float((selected != before).mean())


def class_divergence(
    working: IntArray, selected: BoolArray, truth: IntArray, classes: int
) -> dict[str, float]:
    """How far the classes of the selected are from those of the whole.

    Args:
        working: ``(N,)`` int64, in [0, C) where selected.
        selected: ``(N,)`` bool.
        truth: ``(N,)`` int64, -1 for open-set samples, which are left out.
        classes: Number of classes C.

    Returns:
        ``class_kl``: KL(classes of the selected by working label || true classes of all) in nats.
        Left out where it is infinite: a class without any true sample was selected.
    """
    from scipy.stats import entropy

    chosen = np.bincount(working[selected], minlength=classes)
    true = np.bincount(truth[truth >= 0], minlength=classes)
    if not chosen.any() or not true.any() or bool((chosen[true == 0] > 0).any()):
        return {}
    return {"class_kl": max(0.0, float(entropy(chosen, true)))}


def class_rates(
    working: IntArray, selected: BoolArray, right: BoolArray, classes: int
) -> dict[str, FloatArray]:
    """Precision, recall and F1 among the samples of each working label.

    Args:
        working: ``(N,)`` int64 in [0, C).
        selected: ``(N,)`` bool.
        right: ``(N,)`` bool.
        classes: Number of classes C.

    Returns:
        ``precision``, ``recall`` and ``f1``, each ``(C,)`` float64; NaN where it does not apply.
    """
    chosen, true, hits = (
        np.bincount(working[mask], minlength=classes).astype(np.float64)
        for mask in (selected, right, selected & right)
    )
    nothing = np.full(classes, np.nan)
    rates = {"precision": (hits, chosen), "recall": (hits, true), "f1": (2 * hits, chosen + true)}
    return {
        name: np.divide(above, below, out=nothing.copy(), where=below > 0)
        for name, (above, below) in rates.items()
    }


def class_summary(rates: Mapping[str, FloatArray], groups: ShotGroups) -> dict[str, float]:
    """Rates of the classes as mean, worst, and mean of each shot group.

    Args:
        rates: ``(C,)`` each, NaN where a rate does not apply to a class.
        groups: Shot groups of the classes.

    Returns:
        ``<rate>_class_mean``, ``<rate>_worst_class``, ``<rate>_many``, ``<rate>_medium`` and
        ``<rate>_few``, over the classes to which the rate applies.
    """
    found: dict[str, float] = {}
    for name, rate in rates.items():
        known = rate[~np.isnan(rate)]
        if len(known):
            found[f"{name}_class_mean"] = float(known.mean())
            found[f"{name}_worst_class"] = float(known.min())
        for group in GROUPS:
            members = rate[list(getattr(groups, group))]
            members = members[~np.isnan(members)]
            if len(members):
                found[f"{name}_{group}"] = float(members.mean())
    return found


def class_table(
    given: IntArray,
    working: IntArray,
    selected: BoolArray,
    score: FloatArray,
    truth: IntArray | None,
    classes: Sequence[str],
    groups: ShotGroups,
) -> list[dict[str, Any]]:
    """One row for each of the C classes, in the order of their ids.

    Args:
        given: ``(N,)`` int64.
        working: ``(N,)`` int64.
        selected: ``(N,)`` bool.
        score: ``(N,)`` finite.
        truth: ``(N,)`` int64, or None: only counts are told.
        classes: Names of the C classes.
        groups: Shot groups.

    Returns:
        Rows with ``class``, ``name``, ``group``, ``samples`` (by given label), ``selected`` (by
        working label); :func:`label_belief` of those of this given label; and, with the truth,
        ``true_samples``; :func:`example_quality` among the samples of this working label;
        :func:`correction_quality` among those of this given label.
    """
    group_of = {member: name for name in GROUPS for member in getattr(groups, name)}
    rows: list[dict[str, Any]] = []
    for c, name in enumerate(classes):
        labelled, taken = given == c, working == c
        row: dict[str, Any] = {"class": c, "name": name, "group": group_of.get(c, "")}
        row |= {"samples": int(labelled.sum()), "selected": int((selected & taken).sum())}
        row |= label_belief(given[labelled], working[labelled], selected[labelled])
        if truth is not None:
            row["true_samples"] = int((truth == c).sum())
            right = is_right(working[taken], truth[taken])
            row |= example_quality(selected[taken], right, score[taken])
            row |= correction_quality(given[labelled], working[labelled], truth[labelled])
        rows.append(row)
    return rows


def label_belief(given: IntArray, working: IntArray, selected: BoolArray) -> dict[str, float]:
    """What a selection believes of given labels.

    Args:
        given: ``(N,)`` int64.
        working: ``(N,)`` int64.
        selected: ``(N,)`` bool.

    Returns:
        ``trusted``, how many are believed as they are; ``corrected``, how many are replaced;
        ``estimated_noise_rate``, the share that is not believed, with the ends of its 95 %
        interval (Wilson's, of N draws): ``estimated_noise_low`` and ``estimated_noise_high``.
        Without samples the counts alone.
    """
    from scipy.stats import binomtest

    count, kept = len(given), working == given
    trusted = int((selected & kept).sum())
    found: dict[str, float] = {"trusted": trusted, "corrected": int((~kept).sum())}
    if count:
        interval = binomtest(count - trusted, count).proportion_ci(method="wilson")
        found["estimated_noise_rate"] = 1 - trusted / count
        found["estimated_noise_low"] = float(interval.low)
        found["estimated_noise_high"] = float(interval.high)
    return found
