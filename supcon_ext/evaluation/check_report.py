"""What an evaluator returns, looked at before it is recorded."""

from __future__ import annotations

import math
from typing import Any

from data_tools.border import check_type, described, refuse
from data_tools.registry import part_name
from supcon_ext.evaluation.base import Report


def checked_report(evaluator: Any, made: Any) -> Report:
    """The report of an evaluator.

    Raises:
        ValueError: It is something else, or a metric is no finite number.
    """
    name = part_name("evaluator", evaluator)
    check_type(name, "the report", made, Report, "Report(metrics={...})")
    check_type(name, "metrics", made.metrics, dict)
    for key, value in made.metrics.items():
        if not isinstance(key, str):
            raise refuse(name, "metrics by name", described(key))
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise refuse(name, f"a number of metric `{key}`", described(value), "float(value)")
        if not math.isfinite(value):
            raise refuse(name, f"a finite number of metric `{key}`", str(value), "leave it out")
    report: Report = made
    return report
