"""Curves over epochs: losses, validation, what was selected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from supcon_ext.evaluation import figures
from supcon_ext.report.drawing import inline
from supcon_ext.report.page import PageSection
from supcon_ext.tracking.results import read_metrics
from supcon_ext.tracking.selection_history import read_selections

Points = Sequence[tuple[int, float]]
Series = dict[str, tuple[Sequence[float], Sequence[float]]]
EPOCH = "epoch"


def curves(folder: Path, samples: int | None) -> PageSection:
    """A chart for each kind of number that a run wrote down while it trained.

    Args:
        folder: The run's.
        samples: Training samples, for the share that was kept; None where that is not known.
    """
    series = training_series(read_metrics(folder))
    series["Selection"] = selection_series(folder, samples)
    charts = []
    for title, lines in series.items():
        if lines:
            label = "loss" if title == "Loss in training" else "share"
            draw = partial(
                figures.lines, series=lines, title=title, xlabel="epochs done", ylabel=label
            )
            charts.append(inline(draw, title))
    if not charts:
        return PageSection("Curves", "")
    return PageSection("Curves", f'<div class="charts">{"".join(charts)}</div>')


def training_series(metrics: Mapping[str, Points]) -> dict[str, Series]:
    """Losses and accuracies by chart, over the epochs that were done; one point is no curve."""
    epoch = dict(metrics.get(EPOCH, ()))
    found: dict[str, Series] = {}
    for title, group, endings in (
        ("Loss in training", "train/", ("loss",)),
        ("Accuracy in training", "train/", ("accuracy",)),
        ("Validation, by labels as given", "validation/", ("accuracy",)),
    ):
        found[title] = {}
        for key, points in metrics.items():
            if key.startswith(group) and key.endswith(endings):
                known = [(epoch[step], value) for step, value in points if step in epoch]
                if len(known) > 1:
                    x, y = zip(*known, strict=True)
                    found[title][key.removeprefix(group)] = (x, y)
    return found


def selection_series(folder: Path, samples: int | None) -> Series:
    """Precision and recall of the selections where the truth is known, and the share kept."""
    rows = read_selections(folder)
    found: Series = {}
    for name in ("precision", "recall"):
        known = [(row["epoch"], row[name]) for row in rows if name in row]
        if len(known) > 1:
            x, y = zip(*known, strict=True)
            found[name] = (x, y)
    if len(rows) > 1 and samples:
        found["kept"] = (
            [row["epoch"] for row in rows],
            [row["selected"] / samples for row in rows],
        )
    return found
