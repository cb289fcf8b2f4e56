"""Pictures of an evaluation, each drawn into one file.

Figures are made as objects, without pyplot and its global state, so they can be drawn in any thread
and never open a window. The file's ending says its format (``.png``, ``.svg``, ``.pdf``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from data_tools.printable import printable
from data_tools.whole_file import whole_file
from supcon_ext.evaluation.figure_text import figure_text
from supcon_ext.evaluation.metrics import Reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]

GROUP_COLOURS = {"many": "#4477aa", "medium": "#ccbb44", "few": "#ee6677", "": "#888888"}
INK = "#333333"
ACCENT = "#4477aa"
WARN = "#ee6677"

# More classes than this have no room for a name each, for a number in each cell, or for a legend.
NAMED = 40
NUMBERED = 15
IN_LEGEND = 20


def confusion(path: Path, matrix: IntArray, classes: Sequence[str]) -> None:
    """Draw a confusion matrix whose rows (true classes) are shares of the class's samples.

    Args:
        path: File to write.
        matrix: ``(C, C)`` counts, row = label, column = prediction.
        classes: Names of the C classes.
    """
    side = float(np.clip(1.8 + 0.42 * len(classes), 4.5, 10))
    figure = _figure(side + 0.8, side)
    axes = figure.add_subplot()
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=axes, label="share of the class's samples", shrink=0.8)
    if len(classes) <= NAMED:
        axes.set_xticks(range(len(classes)), _short(classes), rotation=45, ha="right")
        axes.set_yticks(range(len(classes)), _short(classes))
    if len(classes) <= NUMBERED:
        for row, column in np.ndindex(*share.shape):
            if matrix[row, column]:
                colour = "white" if share[row, column] > 0.55 else INK
                text = f"{share[row, column]:.2f}".removeprefix("0")
                axes.text(
                    column, row, text, ha="center", va="center", color=colour, fontsize="x-small"
                )
    axes.set_xlabel("predicted class")
    axes.set_ylabel("class by label")
    axes.set_title(f"Confusion matrix, {int(matrix.sum())} samples")
    _save(figure, path)


def class_bars(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw each class's accuracy as a bar, commonest class first, coloured by shot group.

    Args:
        path: File to write.
        rows: As :func:`~supcon_ext.evaluation.per_class.per_class_table` gives them. A class
            without samples has no bar.
    """
    ordered = sorted(rows, key=lambda row: (-row["train_count"], row["class"]))
    figure = _figure(float(np.clip(2.0 + 0.4 * len(ordered), 5, 13)), 4.2)
    axes = figure.add_subplot()
    position = np.arange(len(ordered))
    height = np.array([np.nan if row["accuracy"] is None else row["accuracy"] for row in ordered])
    for group, colour in GROUP_COLOURS.items():
        member = np.array([row["group"] == group for row in ordered], dtype=bool)
        if member.any():
            axes.bar(
                position[member],
                np.nan_to_num(height[member]),
                width=0.8 if len(ordered) <= NAMED else 1.0,
                color=colour,
                label=group or "no group",
            )
    for place in position[np.isnan(height)] if len(ordered) <= NAMED else ():
        axes.text(place, 0.02, "n/a", ha="center", color=INK, fontsize="small")
    mean = float(np.nanmean(height))
    axes.axhline(mean, color=INK, linestyle="--", linewidth=1, label=f"mean {mean:.3f}")
    if len(ordered) <= NAMED:
        names = [f"{_short([row['name']])[0]} ({row['train_count']})" for row in ordered]
        axes.set_xticks(position, names, rotation=45, ha="right")
        axes.set_xlabel("class (training samples)")
    else:
        axes.set_xlabel("class, most training samples first")
    axes.set_xlim(-0.6, len(ordered) - 0.4)
    axes.set_ylim(0, 1)
    axes.set_ylabel("accuracy")
    axes.set_title("Accuracy by class")
    figure.legend(loc="outside right upper", frameon=False)
    _save(figure, path)


def class_sizes(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw each class's accuracy over its number of training samples, on a log scale.

    A point is a class, coloured by shot group; the line is the mean over classes of like size
    (within a factor of 2), which shows the trend where many classes have few samples each to be
    scored on.

    Args:
        path: File to write.
        rows: As :func:`~supcon_ext.evaluation.per_class.per_class_table` gives them. A class
            without samples to score has no point.
    """
    scored = [row for row in rows if row["accuracy"] is not None]
    size = np.array([row["train_count"] for row in scored], dtype=np.float64)
    height = np.array([row["accuracy"] for row in scored], dtype=np.float64)
    figure = _figure(6.4, 4.4)
    axes = figure.add_subplot()
    for group, colour in GROUP_COLOURS.items():
        member = np.array([row["group"] == group for row in scored], dtype=bool)
        if member.any():
            label = f"{group or 'no group'}: mean {height[member].mean():.3f}"
            axes.scatter(
                size[member], height[member], s=14, color=colour, alpha=0.7, lw=0, label=label
            )
    of_size, mean = trend(size, height)
    axes.plot(of_size, mean, color=INK, linewidth=1.2, marker=".", label="mean by size")
    if size.min() > 0:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=1)
    axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.25)
    axes.set_xlabel("training samples of the class")
    axes.set_ylabel("accuracy")
    axes.set_title(f"Accuracy by class size, {len(scored)} classes")
    figure.legend(loc="outside right upper", frameon=False)
    _save(figure, path)


def trend(size: FloatArray, height: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means over the classes of like size: 0, 1, 2 to 3, 4 to 7, 8 to 15, ... samples.

    Args:
        size: ``(C,)`` whole numbers of at least 0.
        height: ``(C,)``.

    Returns:
        Mean size and mean height of each bin that has classes, sizes ascending.
    """
    octave = np.where(size < 1, -1, np.floor(np.log2(np.maximum(size, 1))))
    _, bin_of, count = np.unique(octave, return_inverse=True, return_counts=True)
    return (
        np.bincount(bin_of, weights=size) / count,
        np.bincount(bin_of, weights=height) / count,
    )


def reliability_diagram(path: Path, found: Reliability, ece: float) -> None:
    """Draw accuracy against confidence by bin, over a histogram of the confidences.

    Args:
        path: File to write.
        found: The bins.
        ece: Expected calibration error, for the title.
    """
    figure = _figure(4.8, 5.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    edges, count = found.edges.numpy(), found.count.numpy()
    filled = count > 0
    left, width = edges[:-1][filled], np.diff(edges)[filled]
    confidence, accuracy = found.confidence.numpy()[filled], found.accuracy.numpy()[filled]
    style = {"align": "edge", "edgecolor": "white", "linewidth": 0.5}
    above.bar(left, accuracy, width, color=ACCENT, label="accuracy", **style)
    above.hlines(confidence, left, left + width, color=WARN, linewidth=2.5, label="mean confidence")
    above.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=1, label="perfect calibration")
    above.set_xlim(0, 1)
    above.set_ylim(0, 1)
    above.set_ylabel("accuracy")
    above.set_title(f"Reliability, ECE = {ece:.3f}")
    above.legend(loc="upper left", frameon=False)
    below.bar(edges[:-1], count / count.sum(), np.diff(edges), color=INK, **style)
    below.set_xlabel("confidence")
    below.set_ylabel("share of samples")
    _save(figure, path)


def scatter(
    path: Path, point: FloatArray, label: IntArray, classes: Sequence[str], title: str
) -> None:
    """Draw samples as points in two dimensions, coloured by class.

    Args:
        path: File to write.
        point: ``(N, 2)``.
        label: ``(N,)`` class ids.
        classes: Names of the C classes; up to 20 are listed in a legend.
        title: What the two dimensions are.
    """
    figure = _figure(6.6, 5)
    axes = figure.add_subplot()
    colours = class_colours(len(classes))
    size = float(np.clip(3000 / max(len(label), 1), 4, 20))
    # One call for all, so that no class is drawn over all the others.
    axes.scatter(point[:, 0], point[:, 1], s=size, c=colours[label], alpha=0.75, linewidths=0)
    if len(classes) <= IN_LEGEND:
        for name, colour in zip(_short(classes), colours, strict=True):
            axes.scatter([], [], s=24, color=colour, label=name)
        figure.legend(loc="outside right upper", frameon=False)
    axes.set_axis_off()
    axes.set_title(figure_text(title))
    _save(figure, path)


def class_colours(count: int) -> FloatArray:
    """``(C, 4)`` colours of C classes, far apart where they are few."""
    from matplotlib import colormaps

    colours: FloatArray
    if count <= 10:
        colours = colormaps["tab10"](np.arange(count))
    elif count <= IN_LEGEND:
        colours = colormaps["tab20"](np.arange(count))
    else:
        colours = colormaps["turbo"](np.linspace(0, 1, count))
    return colours


def lines(
    path: Path,
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    title: str = "",
    xlabel: str = "epoch",
    ylabel: str = "loss",
) -> None:
    """Draw curves over one pair of axes, each named in a legend, also where it is alone.

    Args:
        path: File to write.
        series: Curves by name, each its x values and as many y values.
        title: Above the axes.
        xlabel: Below them.
        ylabel: Beside them.

    Raises:
        ValueError: A curve has another number of x than of y values.
    """
    from matplotlib.ticker import MaxNLocator

    figure = _figure(6.4, 4)
    axes = figure.add_subplot()
    for name, (x, y) in series.items():
        if len(x) != len(y):
            raise ValueError(
                f"Expected as many x as y values of curve `{name}`, but got {len(x)} and {len(y)}."
            )
        marker = "o" if len(x) <= 30 else ""
        axes.plot(x, y, label=figure_text(name), linewidth=1.5, marker=marker, markersize=3)
    axes.grid(alpha=0.25)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.set_title(figure_text(title))
    if series:
        axes.legend(frameon=False)
    _save(figure, path)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        figure.savefig(draft, dpi=130)


def _short(names: Sequence[str], length: int = 16) -> list[str]:
    plain = [printable(name) for name in names]
    return [
        figure_text(name if len(name) <= length else name[: length - 1] + "…") for name in plain
    ]
