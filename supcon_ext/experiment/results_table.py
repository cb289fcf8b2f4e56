"""The table that a finished run is shown as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supcon_ext.evaluation.headline import headline, is_long_tailed

KEYS = 2
"""Columns that tell the rows apart: evaluator, network."""


def result_rows(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of a run's table: each evaluator that predicts classes, last and best epoch.

    Balanced accuracy and the worst class stand first where the run is long-tailed. Where it
    selected samples and the true labels are known, the last epoch's rows have the precision of the
    last selection too.
    """
    rows: list[dict[str, Any]] = []
    shown = (*headline(is_long_tailed(results)), "ece")
    precision = results.get("selection", {}).get("precision")
    for chosen in ("last", "best"):
        for name, metrics in results.get(chosen, {}).get("test", {}).items():
            if "accuracy" not in metrics:
                continue
            epoch = results["epochs"] if chosen == "last" else results["best_epoch"]
            label = f"{chosen} (epoch {epoch})"
            rows.append({"evaluator": name, "network": label, **{k: metrics.get(k) for k in shown}})
            if precision is not None and chosen == "last":
                rows[-1]["selection_precision"] = precision
    return rows
