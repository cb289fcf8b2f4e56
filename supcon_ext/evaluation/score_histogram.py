"""A picture of a selection: who has which score, who is right, and where the cut lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_tools.whole_file import whole_file
from supcon_ext.evaluation.figure_text import figure_text
from supcon_ext.evaluation.figures import ACCENT, INK, WARN
from supcon_ext.evaluation.selection_quality import BoolArray, FloatArray

BINS = 50


def score_histogram(
    path: Path, score: FloatArray, selected: BoolArray, right: BoolArray | None, title: str = ""
) -> None:
    """Draw the scores by which samples were selected, who was not in lighter colours.

    A dashed line is the lowest score of a selected sample, where that alone parts them from the
    others; it does not where each class keeps a number of its own, say.

    Args:
        path: File to write.
        score: ``(N,)`` finite, larger for the more believed.
        selected: ``(N,)`` bool.
        right: ``(N,)`` bool: whose label is right, in other colours than the others; None where
            that is not known.
        title: Above the axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.add_subplot()
    edges = _edges(float(score.min()), float(score.max()))
    if right is None:
        kinds = [("samples", np.ones_like(selected), INK)]
    else:
        kinds = [("label wrong", ~right, WARN), ("label right", right, ACCENT)]
    scores, shades, labels = [], [], []
    for name, members, colour in kinds:
        for choice, who, strength in (
            ("selected", members & selected, 0.9),
            ("not selected", members & ~selected, 0.35),
        ):
            scores.append(score[who])
            shades.append((colour, strength))
            labels.append(f"{name}, {choice} ({int(who.sum()):,})")
    axes.hist(scores, edges, stacked=True, color=shades, label=labels)
    if selected.any():
        low = float(score[selected].min())
        if selected.all() or float(score[~selected].max()) < low:
            axes.axvline(low, color=INK, linestyle="--", linewidth=1, label="lowest selected")
    axes.set_xlabel("score")
    axes.set_ylabel("samples")
    axes.set_title(figure_text(title))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        figure.savefig(draft, dpi=130)


def _edges(low: float, high: float) -> list[float]:
    """Of the bins; scores that differ by rounding alone have a range around them, as equal ones."""
    size = max(1.0, abs(low), abs(high))
    if high - low <= 1e-5 * size:
        low, high = low - size / 2, high + size / 2
    edges: list[float] = np.linspace(low, high, BINS + 1).tolist()
    return edges
