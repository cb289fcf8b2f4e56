"""The audit as a table: one row for each sample, the most suspicious first."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from data_tools.csv_cell import csv_cell
from data_tools.whole_file import whole_file
from supcon_ext.audit.coverage import SPLITS
from supcon_ext.audit.decisions import Decisions
from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.audit.suspicion import Verdict

DIGITS = 4


@dataclass(frozen=True)
class AuditTable:
    """What is known of every sample under audit; rows of tensors are in the order of the samples.

    Attributes:
        samples: The N samples.
        verdict: What their neighbours say.
        probability: ``(N,)`` float32 that the classifier gives the given label; None without one.
        trust: ``(N_train,)`` float32 of the run's last selection, or None.
        splits: Those that are listed.
        decisions: What people decided, or None.
        agreeing: ``(N, 5)`` int64 nearest neighbours with the same given label, the nearest first;
            -1 where there are fewer. None shows none.
    """

    samples: AuditedSamples
    verdict: Verdict
    probability: Tensor | None = None
    trust: Tensor | None = None
    splits: Collection[str] = SPLITS
    decisions: Decisions | None = None
    agreeing: Tensor | None = None

    @property
    def listed(self) -> list[bool]:
        """Whether each of the N samples is of a split that is listed."""
        return [split in self.splits for split in self.samples.split]

    def order(self) -> list[int]:
        """Listed samples, the most suspicious first."""
        listed = self.listed
        return [number for number in self.verdict.order().tolist() if listed[number]]

    def flagged(self) -> list[int]:
        """Listed samples whose label looks wrong, the most suspicious first."""
        flags = self.verdict.flagged.tolist()
        return [number for number in self.order() if flags[number]]

    def neighbours(self, number: int) -> list[int]:
        """Up to five nearest neighbours of another label, the nearest first."""
        return _there(self.verdict.disagreeing[number])

    def alike(self, number: int) -> list[int]:
        """Up to five nearest neighbours of the same label, the nearest first."""
        return [] if self.agreeing is None else _there(self.agreeing[number])

    def rows(self) -> Iterator[dict[str, Any]]:
        """Column to value, of listed samples, in the order of suspicion.

        ``path`` is there where the images are files, ``decision`` where people decided.
        ``neighbours`` is a JSON list of paths or indices.
        """
        samples, verdict, classes = self.samples, self.verdict, self.samples.classes
        label, split, names = samples.label.tolist(), samples.split, samples.names()
        paths = samples.paths
        for i in self.order():
            suggested = int(verdict.suggested[i])
            row: dict[str, Any] = {} if paths is None else {"path": paths[i]}
            row |= {
                "index": int(samples.index[i]),
                "split": split[i],
                "given": label[i],
                "given_name": classes[label[i]],
                "suggested": suggested,
                "suggested_name": classes[suggested],
                "flagged": int(verdict.flagged[i]),
                "confidence": _rounded(verdict.confidence[i]),
                "suspicion": _rounded(verdict.suspicion[i]),
            }
            if self.probability is not None:
                row["probability"] = _rounded(self.probability[i])
            if self.trust is not None:
                row["trust"] = _rounded(self.trust[i]) if i < len(self.trust) else ""
            if self.decisions is not None:
                row["decision"] = str(self.decisions.what[i])
            near = [names[j] for j in self.neighbours(i)]
            row["neighbours"] = json.dumps(near, ensure_ascii=False)
            yield row

    def write_csv(self, path: Path) -> None:
        """Write the rows; an existing file is replaced.

        The file is for people: odd characters of names are written out, and a ``'`` stands before
        text that a spreadsheet would take for a formula. Programs go by ``index``.
        """
        rows = self.rows()
        first = next(rows)
        with whole_file(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(first), lineterminator="\n")
            writer.writeheader()
            for row in itertools.chain([first], rows):
                writer.writerow({key: csv_cell(value) for key, value in row.items()})


def _there(neighbours: Tensor) -> list[int]:
    found: list[int] = neighbours.tolist()
    return [neighbour for neighbour in found if neighbour >= 0]


def _rounded(value: Tensor) -> float:
    return round(float(value), DIGITS)
