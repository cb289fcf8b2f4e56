"""What the page knows: samples by their place on it, doubted labels, groups, other findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_tools.printable import printable
from supcon_ext.audit.decisions import (
    FORMAT,
    RELABEL,
    VERSION,
    decision_entry,
    sample_keys,
    samples_fingerprint,
)
from supcon_ext.audit.findings import Findings
from supcon_ext.audit.table import AuditTable

MOST = 1000
"""Groups of duplicates, and outliers, on the page; the tables have all."""


def pictured(table: AuditTable, shown: Sequence[int], findings: Findings | None) -> list[int]:
    """Numbers of the samples whose pictures the page shows, each once.

    Args:
        table: The audit.
        shown: Samples whose labels are on the page.
        findings: Duplicates and outliers.
    """
    wanted = [n for i in shown for n in (i, *table.neighbours(i), *table.alike(i))]
    if findings is not None:
        wanted += [n for alike in findings.alike[:MOST] for n in alike.members]
        wanted += findings.outliers[:MOST]
    return list(dict.fromkeys(wanted))


def page_content(
    table: AuditTable,
    shown: Sequence[int],
    numbers: Sequence[int],
    findings: Findings | None,
    groups: Sequence[Sequence[int]],
) -> dict[str, Any]:
    """Plain values for the page, without the pictures.

    Args:
        table: The audit.
        shown: Samples whose labels are on the page.
        numbers: Samples that have a place on it, see :func:`pictured`.
        findings: Duplicates and outliers.
        groups: Flagged samples to be judged together.
    """
    samples, verdict = table.samples, table.verdict
    place = {number: at for at, number in enumerate(numbers)}
    row = {number: at for at, number in enumerate(shown)}
    alike = [] if findings is None else findings.alike
    outliers = [] if findings is None else findings.outliers
    return {
        "format": FORMAT,
        "version": VERSION,
        "fingerprint": samples_fingerprint(samples),
        "files": samples.paths is not None,
        "classes": [printable(name) for name in samples.classes],
        "samples": _samples(table, numbers),
        "rows": [
            {
                "image": place[i],
                "suggested": int(verdict.suggested[i]),
                "confidence": round(float(verdict.confidence[i]), 4),
                "suspicion": round(float(verdict.suspicion[i]), 4),
                "near": [place[j] for j in table.neighbours(i)],
                "agree": [place[j] for j in table.alike(i)],
            }
            for i in shown
        ],
        "groups": [part for group in groups if (part := [row[i] for i in group if i in row])],
        "byClass": _by_class(table),
        "alike": [
            {
                "members": [place[i] for i in found.members],
                "bits": found.bits,
                "same": found.same,
                "differs": found.label_differs,
                "splits": found.splits,
            }
            for found in alike[:MOST]
        ],
        "outliers": [
            [place[i], round(distance, 6)]
            for i, distance in zip(
                outliers[:MOST], [] if findings is None else findings.distance, strict=False
            )
        ],
        "usual": 1.0 if findings is None else findings.usual,
        "more": {
            "duplicates": max(0, len(alike) - MOST),
            "outliers": max(0, len(outliers) - MOST),
        },
        **_decided(table, place),
    }


def _samples(table: AuditTable, numbers: Sequence[int]) -> dict[str, list[Any]]:
    samples = table.samples
    keys, names, split = sample_keys(samples), samples.names(), samples.split
    label = samples.label.tolist()
    spoken = "" if samples.paths is not None else "index "
    return {
        "name": [f"{spoken}{printable(names[i])}" for i in numbers],
        "label": [label[i] for i in numbers],
        "split": [split[i] for i in numbers],
        "set": [keys[i][0] for i in numbers],
        "index": [keys[i][1] for i in numbers],
    }


def _by_class(table: AuditTable) -> list[dict[str, int]]:
    """Of each class, how many labels there are, look wrong, and what these look most like."""
    label, classes = table.samples.label, len(table.samples.classes)
    count = np.bincount(label[np.array(table.listed, dtype=bool)], minlength=classes)
    like: dict[int, Counter[int]] = {number: Counter() for number in range(classes)}
    for i in table.flagged():
        like[int(label[i])][int(table.verdict.suggested[i])] += 1
    found = []
    for number, counter in like.items():
        most, likes = counter.most_common(1)[0] if counter else (-1, 0)
        part = {"label": number, "count": int(count[number]), "flagged": counter.total()}
        found.append({**part, "like": most, "likes": likes})
    return found


def _decided(table: AuditTable, place: Mapping[int, int]) -> dict[str, Any]:
    """What people decided before; and whole entries for samples that are not on the page."""
    decided: dict[str, Any] = {}
    elsewhere: dict[str, Any] = {}
    if (decisions := table.decisions) is not None:
        keys = sample_keys(table.samples)
        entry = decision_entry(table.samples)
        for number in np.flatnonzero(decisions.what != "").tolist():
            key = "{} {}".format(*keys[number])
            said, label = str(decisions.what[number]), int(decisions.label[number])
            decided[key] = [said, label if said == RELABEL else -1]
            if number not in place:
                elsewhere[key] = entry(number, said, label)
    return {"decided": decided, "elsewhere": elsewhere}
