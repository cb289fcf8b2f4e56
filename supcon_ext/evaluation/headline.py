"""Which numbers a table of results shows, and which of them stand first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

UNBALANCED = 1.5

_GROUPS = ("accuracy_many", "accuracy_medium", "accuracy_few")
BALANCED_ORDER = ("accuracy", "balanced_accuracy", "worst_class", *_GROUPS)
LONG_TAILED_ORDER = ("balanced_accuracy", "worst_class", *_GROUPS, "accuracy")
"""Accuracy hides a rare class that is lost: what cannot hide it stands first."""


def is_long_tailed(results: Mapping[str, Any]) -> bool:
    """Whether a run's largest class is more than 1.5 times its smallest, in training or test.

    A split with an empty class is. Of a run that does not say, nothing is known, and it is not.

    Args:
        results: As in ``results.json``: ``imbalance_factor`` by split, null with an empty class.
    """
    factors = results.get("imbalance_factor", {}).values()
    return any(factor is None or factor > UNBALANCED for factor in factors)


def headline(long_tailed: bool) -> tuple[str, ...]:
    """Names of the accuracies in the order of a table's columns."""
    return LONG_TAILED_ORDER if long_tailed else BALANCED_ORDER
