"""A table with one row a class: its shot group, its counts, its accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from supcon_ext.evaluation.base import Prediction
from supcon_ext.evaluation.metrics import per_class_accuracy

if TYPE_CHECKING:
    from data_tools.shot_groups import ShotGroups


def per_class_table(
    prediction: Prediction, train_label: Tensor, classes: Sequence[str], groups: ShotGroups
) -> list[dict[str, Any]]:
    """One row for each of the C classes, in the order of their ids.

    Args:
        prediction: N predictions over C classes.
        train_label: ``(n,)`` int64, the given labels of the training samples.
        classes: Names of the C classes.
        groups: Shot groups of the classes.

    Returns:
        Rows with ``class`` (id), ``name``, ``group`` (``many``, ``medium``, ``few`` or ``""``),
        ``train_count`` (by given label), ``count`` (samples scored) and ``accuracy`` (None without
        samples).
    """
    group_of = {
        member: name for name in ("many", "medium", "few") for member in getattr(groups, name)
    }
    train_count = train_label.cpu().bincount(minlength=len(classes)).tolist()
    count = prediction.label.bincount(minlength=len(classes)).tolist()
    accuracy = per_class_accuracy(prediction).tolist()
    return [
        {
            "class": c,
            "name": name,
            "group": group_of.get(c, ""),
            "train_count": train_count[c],
            "count": count[c],
            "accuracy": accuracy[c] if count[c] else None,
        }
        for c, name in enumerate(classes)
    ]
