"""Precision and recall of the selections over epochs: a line for each method, over its seeds.

Of all classes, and of the rare ones by themselves where runs have shot groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_tools.whole_file import whole_file
from supcon_ext.compare.comparison import Comparison, Row, Spread, shown
from supcon_ext.evaluation.figure_text import figure_text
from supcon_ext.tracking.selection_history import read_selections

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURES = ("precision", "recall")
GROUPS = {"": "all classes", "_few": "rare classes"}
"""What a measure's name ends in, and of which classes it then is."""

Curve = list[tuple[int, Spread]]


def selection_curves(runs: Sequence[Path]) -> dict[str, Curve]:
    """Precision and recall at each epoch at which every run selected, over the runs.

    Args:
        runs: Folders of runs that differ in their seeds alone.

    Returns:
        Epochs done and values, by measure, ``precision_few`` and ``recall_few`` of the rare classes
        among them; a measure that a run has at no epoch is left out.
    """
    tables = [read_selections(run) for run in runs]
    curves: dict[str, Curve] = {}
    for measure in (measure + group for group in GROUPS for measure in MEASURES):
        found = [{row["epoch"]: row[measure] for row in t if measure in row} for t in tables]
        shared = sorted(set.intersection(*map(set, found))) if found else []
        if shared:
            curves[measure] = [(e, Spread.of([values[e] for values in found])) for e in shared]
    return curves


def draw_selections(comparison: Comparison, path: Path) -> bool:
    """Draw the curves, with a band of one standard deviation over seeds.

    The lines of one pair of axes differ in ``method`` (or, where no axis is called so, in the axis
    that has most values); each combination of the other axes has a row of its own, and a second
    one for the rare classes where its runs have such.

    Args:
        comparison: Whose runs to draw.
        path: PNG file to write; not written where no run's selections have numbers.

    Returns:
        Whether there was anything to draw.
    """
    drawn = [(row, selection_curves(row.runs)) for row in comparison.rows if row.network == "last"]
    drawn = [(row, curves) for row, curves in drawn if curves]
    if not drawn:
        return False
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    line_axis = _line_axis(comparison.axes, [row for row, _ in drawn])
    panels: dict[str, list[tuple[str, Row, dict[str, Curve]]]] = {}
    for row, curves in drawn:
        others = {axis: v for axis, v in row.variant.items() if axis != line_axis}
        name = figure_text(shown(row.variant.get(line_axis)) if line_axis else "run")
        title = figure_text(", ".join(shown(value) for value in others.values()))
        panels.setdefault(title, []).append((name, row, curves))
    names = list(dict.fromkeys(name for lines in panels.values() for name, _, _ in lines))
    rows = [
        (title, lines, group)
        for title, lines in panels.items()
        for group in GROUPS
        if any(measure + group in curves for _, _, curves in lines for measure in MEASURES)
    ]
    grouped = any(group for _, _, group in rows)
    figure = Figure(figsize=(9.5, 0.8 + 2.9 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(MEASURES), sharex=True, sharey="col", squeeze=False)
    for (title, lines, group), places in zip(rows, grid, strict=True):
        for measure, axes in zip(MEASURES, places, strict=True):
            for name, _, curves in lines:
                if measure + group in curves:
                    _line(axes, curves[measure + group], name, names.index(name))
            axes.set_ylabel(measure)
            told = [title] if title else []
            axes.set_title(
                ", ".join([*told, GROUPS[group]] if grouped else told), fontsize=9, loc="left"
            )
            axes.grid(alpha=0.25)
            axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[-1]:
        axes.set_xlabel("epochs done")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    found: dict[str, Any] = {}
    for axes in grid.flat:
        handles, labels = axes.get_legend_handles_labels()
        found |= {label: h for h, label in zip(handles, labels, strict=True) if label not in found}
    order = [name for name in names if name in found]
    figure.legend(
        [found[name] for name in order],
        order,
        loc="outside lower center",
        ncols=min(5, len(order)),
        frameon=False,
    )
    with whole_file(path) as draft:
        figure.savefig(draft, dpi=150)
    return True


def _line_axis(axes: Sequence[str], rows: Sequence[Row]) -> str | None:
    """The axis whose values are lines."""
    if "method" in axes:
        return "method"
    return max(axes, key=lambda axis: len({shown(r.variant.get(axis)) for r in rows}), default=None)


def _line(axes: Axes, curve: Curve, name: str, number: int) -> None:
    from matplotlib import colormaps

    colour = colormaps["tab10"](number % 10)
    epoch = [e for e, _ in curve]
    mean = [spread.mean for _, spread in curve]
    std = [spread.std or 0.0 for _, spread in curve]
    marker = "o" if len(epoch) <= 30 else ""
    style = "-" if number < 10 else "--"
    axes.plot(
        epoch, mean, style, color=colour, label=name, linewidth=1.5, marker=marker, markersize=3
    )
    axes.fill_between(
        epoch,
        [m - s for m, s in zip(mean, std, strict=True)],
        [m + s for m, s in zip(mean, std, strict=True)],
        color=colour,
        alpha=0.18,
        linewidth=0,
    )
