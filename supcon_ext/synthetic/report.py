"""What was found in a source of synthetic samples: all of it, counted and named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from data_tools.printable import printable
from data_tools.synthetic_set import SyntheticSet
from supcon_ext.synthetic.defect import KINDS, Defect, Fate

if TYPE_CHECKING:
    from supcon_ext.synthetic.filter_report import FilterReport

SHOWN = 5


@dataclass(frozen=True)
class Sifted:
    """What filters were given, and what they did to it.

    Attributes:
        given: The samples before the filters.
        report: Of each, why it was dropped, if it was.
    """

    given: SyntheticSet
    report: FilterReport


@dataclass
class SyntheticReport:
    """What a source gave, and what was wrong with it.

    Attributes:
        source: What the source is called: its kind and its file or folder.
        listed: Samples that it names.
        used: Samples that are used of these.
        captions: Distinct captions of those used.
        classes: Samples used of each class that has any, by name.
        parents: Samples used that have a parent.
        defects: All that was found.
        fates: What is done about each kind that was found.
        sifted: What filters did to those used; None without filters.
    """

    source: str
    listed: int = 0
    used: int = 0
    captions: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    parents: int = 0
    defects: list[Defect] = field(default_factory=list)
    fates: dict[str, Fate] = field(default_factory=dict)
    sifted: Sifted | None = None

    def counts(self, *fates: Fate) -> dict[str, int]:
        """Number of defects of each kind, of those with these fates; of all without any."""
        found = Counter(defect.kind for defect in self.defects)
        return {
            kind: found[kind]
            for kind in KINDS
            if found[kind] and (not fates or self.fates[kind] in fates)
        }

    @property
    def refused(self) -> bool:
        """Whether the source cannot be used as it is."""
        return bool(self.counts("refused"))

    def of(self, kind: str) -> list[Defect]:
        """The defects of a kind."""
        return [defect for defect in self.defects if defect.kind == kind]

    def as_dict(self) -> dict[str, Any]:
        """Plain values: everything."""
        return {
            "source": self.source,
            "refused": self.refused,
            "listed": self.listed,
            "used": self.used,
            "captions": self.captions,
            "classes": dict(self.classes),
            "parents": self.parents,
            "filters": None if self.sifted is None else self.sifted.report.as_dict(),
            "summary": self.summary,
            "lines": self.lines(),
            "counts": self.counts(),
            "fates": dict(self.fates),
            "defects": [
                {"kind": d.kind, "where": d.where, "what": d.what, "file": d.file}
                for d in self.defects
            ],
        }

    @property
    def summary(self) -> str:
        """How many samples, captions, classes and parents there are, in one line."""
        parts = [f"{self.listed:,} samples, {self.used:,} without a fault"]
        for number, what in (
            (self.captions, "captions"),
            (len(self.classes), "classes"),
            (self.parents, "with a parent"),
        ):
            if number:
                parts.append(f"{number:,} {what}")
        return ", ".join(parts) + (f"; {self.sifted.report.told()}" if self.sifted else "")

    def lines(self, *fates: Fate) -> list[str]:
        """A line a kind with its number and its first defects, for the screen."""
        told = []
        for kind, count in self.counts(*fates).items():
            found = self.of(kind)
            first = "; ".join(printable(defect.text) for defect in found[:SHOWN])
            more = f"; ... and {count - SHOWN:,} more" if count > SHOWN else ""
            told.append(f"{KINDS[kind].words} ({count:,}), {self.fates[kind]}: {first}{more}")
        return told


class RefusedSourceError(ValueError):
    """Sources of synthetic samples cannot be used. The message says why, as far as there is room.

    Args:
        reports: Of all sources of a recipe; those that are refused make the message.
        place: Where the whole report is, if it was written.
    """

    def __init__(self, reports: Sequence[SyntheticReport], place: str | None = None) -> None:
        self.reports = list(reports)
        self.place = place
        refused = [report for report in reports if report.refused]
        blocks = ["Expected synthetic samples that can be used, but got:"]
        for report in refused:
            blocks += [printable(report.source)]
            blocks += [f"  {line}" for line in report.lines("refused")]
        rules = dict.fromkeys(
            KINDS[kind].rule for report in refused for kind in report.counts("refused")
        )
        ways = [f"`{rule}: {_MILDER[rule]}`" for rule in rules if rule in _MILDER]
        hint = "Try: mend or remove them"
        blocks.append(hint + (f", or {', '.join(ways)} to go on without." if ways else "."))
        if place is not None:
            blocks.append(f"All of it is in {printable(place)}")
        super().__init__("\n".join(blocks))

    def __reduce__(self) -> tuple[Any, ...]:
        """Made again from its reports, when it comes from another process."""
        return RefusedSourceError, (self.reports, self.place)


_MILDER: Mapping[str, str] = {
    "bad": "skip",
    "unknown_classes": "skip",
    "unknown_parents": "skip",
    "leaks": "skip",
    "duplicates": "warn",
}
