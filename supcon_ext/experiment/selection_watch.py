"""Watches what a run selects: numbers each time, a table and figures at the end.

Here the true labels are kept, beside training and out of its reach: the watch sees selections, and
gives back numbers to record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from data_tools.csv_cell import csv_cell
from data_tools.samples import IntArray
from data_tools.shot_groups import ShotGroups
from data_tools.whole_file import write_whole
from supcon_ext.evaluation import figures
from supcon_ext.evaluation.memorisation import memorisation
from supcon_ext.evaluation.pair_quality import (
    pair_counts,
    pair_quality,
    sample_rows,
    sampled_targets,
)
from supcon_ext.evaluation.score_histogram import score_histogram
from supcon_ext.evaluation.selection_quality import (
    churn,
    class_divergence,
    class_rates,
    class_summary,
    class_table,
    correction_quality,
    example_quality,
    is_right,
    selection_counts,
)
from supcon_ext.selectors.base import Role
from supcon_ext.tracking.selection_history import (
    TABLE,
    Selected,
    SelectionHistory,
    read_selections,
)
from supcon_ext.training.observers import Refreshed

CURVES = {
    "selection_quality": ("Selected samples", ("precision", "recall", "f1")),
    "selection_pairs": (
        "Positive pairs",
        ("pair_precision", "pair_precision_strict", "pair_recall_given", "pair_recall"),
    ),
    "selection_memorisation": (
        "What the classifier predicts of training samples",
        (
            "clean_predicted_right",
            "mislabelled_predicted_true",
            "mislabelled_predicted_given",
            "mislabelled_predicted_other",
        ),
    ),
}


class SelectionWatch:
    """Says what each selection of a run is worth; for ``Trainer(observe=...)``.

    Selected is who is trusted above 0.5 and not dropped. The rows of ``tables/selection.csv`` and
    the newest selections (``selection/``) lie in the run folder, and a resumed run goes on with
    them.

    Args:
        folder: The run folder.
        given: ``(N,)`` int64 given labels of the training samples.
        truth: ``(N,)`` int64 true labels, -1 for open-set samples; None where they are not known:
            counts, estimated noise and churn are told then, and nothing else.
        classes: Names of the C classes.
        groups: Shot groups of the classes.
        seed: Of the sample in which pairs are looked at.
        checkpoint_every: Epochs between checkpoints.
    """

    def __init__(
        self,
        folder: Path,
        given: IntArray,
        truth: IntArray | None,
        classes: Sequence[str],
        groups: ShotGroups,
        seed: int = 0,
        checkpoint_every: int = 1,
    ) -> None:
        self.folder = folder
        self.given = given
        self.truth = truth
        self.classes = classes
        self.groups = groups
        self.seed = seed
        self.history = SelectionHistory(folder, checkpoint_every)

    def __call__(self, seen: Refreshed) -> dict[str, float]:
        """The numbers of a selection, which are also written to the table.

        Args:
            seen: The selection, and what it was made from.
        """
        selection = seen.selection
        usable = (selection.role != int(Role.DROPPED)).cpu().numpy()
        made = Selected(
            epoch=seen.epoch,
            selected=(selection.trust > 0.5).cpu().numpy() & usable,
            label=selection.label.cpu().numpy(),
            score=selection.ranking.float().cpu().numpy(),
        )
        numbers = selection_counts(self.given, made.label, made.selected)
        before = self.history.before(seen.epoch)
        if before is not None:
            numbers["churn"] = churn(made.selected, before.selected)
        if self.truth is not None:
            numbers |= self._examples(made, self.truth)
            if seen.predicted is not None:
                predicted = seen.predicted.cpu().numpy()
                numbers |= memorisation(predicted, self.given, self.truth)
        numbers |= self._pairs(seen, made, sample_rows(usable, self.seed))
        self.history.add(made, seen.stage, numbers)
        return numbers

    def _examples(self, made: Selected, truth: IntArray) -> dict[str, float]:
        right = is_right(made.label, truth)
        rates = class_rates(made.label, made.selected, right, len(self.classes))
        return {
            **example_quality(made.selected, right, made.score),
            **correction_quality(self.given, made.label, truth),
            **class_summary(rates, self.groups),
            **class_divergence(made.label, made.selected, truth, len(self.classes)),
        }

    def _pairs(self, seen: Refreshed, made: Selected, rows: IntArray) -> dict[str, float]:
        if seen.selector is None:
            return {}
        targets = sampled_targets(seen.selector, seen.bank, seen.selection, rows)
        if targets is None:
            return {}
        numbers = pair_counts(targets, len(self.given))
        if self.truth is not None:
            numbers |= pair_quality(targets, self.given[rows], made.label[rows], self.truth[rows])
        return numbers

    def state(self) -> dict[str, Any]:
        """What the files hold, for a checkpoint."""
        table, selections = self.history.kept()
        return {
            "table": table,
            "selections": [
                {
                    "epoch": made.epoch,
                    "selected": torch.from_numpy(made.selected),
                    "label": torch.from_numpy(made.label),
                    "score": torch.from_numpy(made.score),
                }
                for made in selections
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Make the files again as they were at a checkpoint."""
        selections = [
            Selected(
                made["epoch"],
                made["selected"].numpy(),
                made["label"].numpy(),
                made["score"].numpy(),
            )
            for made in state["selections"]
        ]
        self.history.restore(state["table"], selections)

    def results(self) -> dict[str, Any] | None:
        """Stage, epoch and numbers of the last selection; None where nothing was selected."""
        rows = read_selections(self.folder)
        return rows[-1] if rows else None

    def write_tables(self) -> list[Path]:
        """The table over epochs, and one of the last selection's classes: the files."""
        import pandas

        last = self.history.last
        if last is None:
            return []
        rows = class_table(
            self.given,
            last.label,
            last.selected,
            last.score,
            self.truth,
            self.classes,
            self.groups,
        )
        path = self.folder / "tables" / "selection_classes.csv"
        write_whole(path, pandas.DataFrame(rows).map(csv_cell).to_csv(index=False))
        return [self.folder / TABLE, path]

    def draw(self) -> list[Path]:
        """Histogram of the last selection's scores, and curves over epochs: the files."""
        last = self.history.last
        if last is None:
            return []
        drawn = [self.folder / "figures" / "selection_scores.png"]
        right = None if self.truth is None else is_right(last.label, self.truth)
        title = f"Selection after {last.epoch} epochs: {int(last.selected.sum()):,} selected"
        score_histogram(drawn[0], last.score, last.selected, right, title)
        rows = read_selections(self.folder)
        for name, (title, columns) in CURVES.items():
            series = {}
            for column in columns:
                points = [(row["epoch"], row[column]) for row in rows if column in row]
                if points:
                    series[column] = ([x for x, _ in points], [y for _, y in points])
            if series:
                drawn.append(self.folder / "figures" / f"{name}.png")
                figures.lines(drawn[-1], series, title, "epochs done", "share")
        return drawn
