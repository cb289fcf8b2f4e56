"""The comparison as bars: mean over seeds, with the standard deviation as whisker."""

from __future__ import annotations

import math
from pathlib import Path

from data_tools.whole_file import whole_file
from supcon_ext.compare.comparison import Comparison
from supcon_ext.evaluation.figure_text import figure_text

DRAWN = ("accuracy", "balanced_accuracy", "accuracy_many", "accuracy_medium", "accuracy_few")
NAMES = ("all", "balanced", "many", "medium", "few")


def draw(comparison: Comparison, path: Path) -> None:
    """Bars of the last epoch's accuracies on the test set, a colour for each variant.

    Args:
        comparison: What to draw.
        path: PNG file to write.
    """
    from matplotlib.figure import Figure

    rows = [row for row in comparison.rows if row.network == "last"]
    shown = [i for i, name in enumerate(DRAWN) if any(name in row.metrics for row in rows)]
    figure = Figure(
        figsize=(max(6.0, 1.5 + 0.35 * len(rows) * len(shown)), 3.6), layout="constrained"
    )
    axes = figure.add_subplot()
    width = 0.84 / max(1, len(rows))
    for number, row in enumerate(rows):
        places, means, stds = [], [], []
        for slot, metric in enumerate(shown):
            spread = row.metrics.get(DRAWN[metric])
            if spread is None:
                continue
            places.append(slot + (number - (len(rows) - 1) / 2) * width)
            means.append(spread.mean)
            stds.append(math.nan if spread.std is None else spread.std)
        name = ", ".join(str(choice) for choice in row.variant.values()) or "run"
        label = figure_text(f"{name} ({row.evaluator})")
        axes.bar(places, means, width * 0.94, yerr=stds, capsize=2, label=label)
    axes.set_xticks(range(len(shown)), [NAMES[i] for i in shown])
    axes.set_ylim(0, 1)
    axes.set_ylabel("test accuracy, last epoch")
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    seeds = max((len(row.seeds) for row in rows), default=0)
    axes.set_title(f"mean over {seeds} seed{'s' * (seeds != 1)}", fontsize=9, loc="right")
    figure.legend(loc="outside lower center", ncols=min(3, max(1, len(rows))), frameon=False)
    with whole_file(path) as draft:
        figure.savefig(draft, dpi=150)
