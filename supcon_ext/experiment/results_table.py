"""The table that a finished run is shown as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEADLINE = (
    "accuracy",
    "balanced_accuracy",
    "accuracy_many",
    "accuracy_medium",
    "accuracy_few",
    "ece",
)


def result_rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of a run's table: each evaluator that predicts classes, last and best epoch.

    Where the run selected samples and the true labels are known, the last epoch's rows have the
    precision of the last selection too.
    """
    rows: list[dict[str, Any]] = []
    precision = results.get("selection", {}).get("precision")
    for chosen in ("last", "best"):
        for name, metrics in results.get(chosen, {}).get("test", {}).items():
            if "accuracy" not in metrics:
                continue
            epoch = results["epochs"] if chosen == "last" else results["best_epoch"]
            label = f"{chosen} (epoch {epoch})"
            rows.append(
                {"evaluator": name, "network": label, **{k: metrics.get(k) for k in HEADLINE}}
            )
            if precision is not None and chosen == "last":
                rows[-1]["selection_precision"] = precision
    return rows
