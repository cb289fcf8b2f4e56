"""What a run found: ``results.json``, and the metrics of its journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_tools.plain_values import plain
from data_tools.whole_file import write_whole
from supcon_ext.tracking.events import Metric
from supcon_ext.tracking.journal import JOURNAL_NAME, read
from supcon_ext.tracking.record import read_record

RESULTS_NAME = "results.json"
TIME_PREFIX = "time/"


def write_results(folder: Path, results: Mapping[str, Any]) -> Path:
    """Write ``results.json`` in one step.

    Args:
        folder: The run folder.
        results: JSON values, numpy and torch scalars; a number that is not finite is written as
            ``null``: it has no value (the accuracy over an empty group).

    Returns:
        The file.
    """
    path = folder / RESULTS_NAME
    write_whole(path, results_text(results))
    return path


def results_text(results: Mapping[str, Any]) -> str:
    """What :func:`write_results` writes."""
    return json.dumps(plain(results), indent=2, allow_nan=False) + "\n"


def read_results(folder: Path) -> dict[str, Any]:
    """The content of ``results.json``.

    Raises:
        ValueError: The run has no results (yet), or the file is damaged.
    """
    return read_record(
        folder / RESULTS_NAME,
        f"Expected a finished run in argument `folder`, but got {folder}, which has no "
        f"{RESULTS_NAME}. Try: supcon resume {folder}",
    )


def read_metrics(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every metric of a run's journal as ``[(step, value), ...]``, in the order of writing."""
    metrics: dict[str, list[tuple[int, float]]] = {}
    for event in read(folder / JOURNAL_NAME):
        if isinstance(event, Metric):
            metrics.setdefault(event.key, []).append((event.step, event.value))
    return metrics


def same_metrics(folder_a: Path, folder_b: Path) -> list[str]:
    """How the metrics of two runs differ, to the last bit; times (``time/``) are not compared.

    Returns:
        One line for each difference; none if the runs agree.
    """
    a, b = (
        {
            key: points
            for key, points in read_metrics(folder).items()
            if not key.startswith(TIME_PREFIX)
        }
        for folder in (folder_a, folder_b)
    )
    differences = [f"{key}: only in {folder_a}" for key in sorted(a.keys() - b.keys())]
    differences += [f"{key}: only in {folder_b}" for key in sorted(b.keys() - a.keys())]
    for key in sorted(a.keys() & b.keys()):
        if len(a[key]) != len(b[key]):
            differences.append(f"{key}: {len(a[key])} points against {len(b[key])}")
        for (step_a, value_a), (step_b, value_b) in zip(a[key], b[key], strict=False):
            if step_a != step_b or value_a.hex() != value_b.hex():
                differences.append(
                    f"{key}: {value_a!r} at step {step_a} against {value_b!r} at step {step_b}"
                )
    return differences
