"""What else an audit finds beside labels: samples that are there twice, and such as no other."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_tools.csv_cell import csv_cell
from data_tools.whole_file import whole_file
from supcon_ext.audit.look_alikes import Alike
from supcon_ext.audit.outliers import Outliers
from supcon_ext.audit.samples import AuditedSamples

DUPLICATES, OUTLIERS = "duplicates.csv", "outliers.csv"
DIGITS = 6


@dataclass(frozen=True)
class Findings:
    """What is found of the samples that are listed.

    Attributes:
        alike: Groups of samples that are alike.
        outliers: The farthest from all others first.
        distance: Of each outlier, the mean cosine distance to its nearest.
        usual: The median of those distances.
    """

    alike: Sequence[Alike]
    outliers: Sequence[int]
    distance: Sequence[float]
    usual: float

    @staticmethod
    def of(alike: Sequence[Alike], outliers: Outliers, listed: Sequence[bool]) -> Findings:
        """Those outliers that are listed, beside samples that are alike."""
        numbers = [number for number in outliers.order() if listed[number]]
        distance = outliers.distance[numbers].tolist()
        return Findings(alike, numbers, distance, outliers.usual)

    def write(self, folder: Path, samples: AuditedSamples) -> None:
        """Write ``duplicates.csv``, a row for each sample of each group, and ``outliers.csv``."""
        heads = ["group", *_heads(samples), "same", "bits", "label_differs", "splits"]
        _write(folder / DUPLICATES, heads, self._duplicates(samples))
        heads = [*_heads(samples), "distance", "usual"]
        _write(folder / OUTLIERS, heads, self._outliers(samples))

    def _duplicates(self, samples: AuditedSamples) -> Iterable[dict[str, Any]]:
        told = _telling(samples)
        for group, alike in enumerate(self.alike):
            for member, bits, same in zip(alike.members, alike.bits, alike.same, strict=True):
                yield {
                    "group": group,
                    **told(member),
                    "same": int(same),
                    "bits": bits,
                    "label_differs": int(alike.label_differs),
                    "splits": " ".join(alike.splits),
                }

    def _outliers(self, samples: AuditedSamples) -> Iterable[dict[str, Any]]:
        told = _telling(samples)
        for number, distance in zip(self.outliers, self.distance, strict=True):
            yield {
                **told(number),
                "distance": round(distance, DIGITS),
                "usual": round(self.usual, DIGITS),
            }


def _heads(samples: AuditedSamples) -> list[str]:
    known = ["index", "split", "given", "given_name"]
    return known if samples.paths is None else ["path", *known]


def _telling(samples: AuditedSamples) -> Any:
    paths, split = samples.paths, samples.split
    label, index = samples.label.tolist(), samples.index.tolist()

    def told(number: int) -> dict[str, Any]:
        known = {
            "index": index[number],
            "split": split[number],
            "given": label[number],
            "given_name": samples.classes[label[number]],
        }
        return known if paths is None else {"path": paths[number], **known}

    return told


def _write(path: Path, heads: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """A table for people, see :meth:`~supcon_ext.audit.table.AuditTable.write_csv`."""
    with whole_file(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, heads, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: csv_cell(value) for key, value in row.items()})
