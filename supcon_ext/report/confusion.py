"""Which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from data_tools.samples import IntArray
from supcon_ext.report.page import PageSection, text
from supcon_ext.report.seen import Seen
from supcon_ext.report.table import table

SHOWN = 25
"""Classes up to which the whole matrix is shown; of more, the pairs alone."""
PAIRS = 15


def counted(seen: Seen, classes: int) -> IntArray:
    """``(C, C)`` counts; row = label, column = prediction."""
    both = seen.label * classes + seen.predicted
    made: IntArray = np.bincount(both, minlength=classes * classes).reshape(classes, classes)
    return made


def confusion(seen: Seen, classes: Sequence[str]) -> PageSection:
    """The matrix, each cell coloured by its share of the row, and the commonest pairs."""
    counts = counted(seen, len(classes))
    right = int(np.trace(counts)) / max(1, int(counts.sum()))
    labels = "true labels" if seen.split == "test" else "labels as given, which may be wrong"
    body = (
        f"<p>{len(seen.label):,} {seen.split} samples, predicted by {text(seen.predictor)}; "
        f"{right:.1%} as their label says. Rows: {labels}. Columns: predictions.</p>"
    )
    if len(classes) <= SHOWN:
        body += _matrix(counts, classes)
    off = counts.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:PAIRS]
    rows = [
        (classes[row], classes[column], int(off[row, column]), off[row, column] / counts[row].sum())
        for row, column in zip(*np.unravel_index(order, off.shape), strict=True)
        if off[row, column]
    ]
    if rows:
        headings = ("label", "predicted", "samples", "share of the class")
        made = table(headings, [(a, b, n, float(share)) for a, b, n, share in rows])
        if len(classes) <= SHOWN:
            made = f"<details><summary>Commonest confusions</summary>{made}</details>"
        body += made
    return PageSection("Confusion", body)


def _matrix(counts: IntArray, classes: Sequence[str]) -> str:
    head = "".join(f'<th scope="col">{text(_short(name))}</th>' for name in classes)
    lines = []
    for name, row in zip(classes, counts, strict=True):
        share = row / max(1, row.sum())
        cells = "".join(
            f'<td style="background:color-mix(in srgb,var(--accent) {100 * part:.0f}%,transparent)"'
            f' title="{text(name)} taken for {text(other)}: {count:,}">{count or ""}</td>'
            for other, count, part in zip(
                classes, row.tolist(), (0.75 * share).tolist(), strict=True
            )
        )
        lines.append(f'<tr><th class="row" scope="row">{text(_short(name))}</th>{cells}</tr>')
    made = f"<tr><th></th>{head}</tr>{''.join(lines)}"
    return f'<div class="wide"><table class="matrix">{made}</table></div>'


def _short(name: str, length: int = 14) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
