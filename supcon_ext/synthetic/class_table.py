"""The table of classes on a filter's page: how many, how well recognised, how diverse."""

from __future__ import annotations

import html
import math

import numpy as np

from data_tools.printable import printable
from supcon_ext.synthetic.filter_report import FilterReport

_HEAD = (
    "<thead><tr><th>class</th>"
    '<th class="number">given</th><th class="number">kept</th>'
    '<th></th><th class="number">recognised</th><th class="number">of kept</th>'
    '<th class="number">of real</th><th class="number">diversity</th>'
    '<th class="number">of kept</th><th class="number">of real</th></tr></thead>'
)


def class_table(report: FilterReport, seen_by: str) -> str:
    """HTML of the classes, the least recognised first; empty where they were not measured.

    Args:
        report: With measures.
        seen_by: What features they were measured by, in words.
    """
    measures = report.measures
    if measures is None:
        return ""
    unrecognised, untold = set(measures.unrecognised), set(measures.untold)
    rows = []
    worst = np.argsort(np.nan_to_num(measures.f1_given, nan=2.0), kind="stable")
    for each in worst.tolist():
        low = each in unrecognised
        mark = (
            "more of such images will not help"
            if low
            else "whether more help cannot be told"
            if each in untold
            else ""
        )
        f1 = [measures.f1_given[each], measures.f1_kept[each], measures.f1_real[each]]
        spread = [
            measures.spread_given[each],
            measures.spread_kept[each],
            measures.spread_real[each],
        ]
        rows.append(
            f"<tr{' class=low' if low else ''}>"
            f'<td class="name">{html.escape(printable(report.classes[each]))}'
            f"{mark and f'<small>{mark}</small>'}</td>"
            f"{_cell(measures.given[each])}{_cell(measures.kept[each])}"
            f"<td>{_bars(f1[0], f1[2])}</td>"
            f"{''.join(_fraction(value) for value in (*f1, *spread))}</tr>"
        )
    return (
        "<h2>Classes</h2><p>Recognised: F1 of each class by a classifier that was fitted on the "
        "real training samples; of the real ones (grey), by cross-validation. Diversity: standard "
        "deviation of a feature within the class, on average. A class is marked whose synthetic "
        f"samples are recognised below {measures.bound:g}: more of their kind will not help it, "
        "unless the classifier does not recognise real ones either. "
        f"{html.escape(printable(seen_by))}</p>"
        '<div class="wide" tabindex="0" role="region" aria-label="Classes"><table>'
        f"{_HEAD}<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(value: int) -> str:
    return f'<td class="number">{int(value):,}</td>'


def _fraction(value: float) -> str:
    return (
        f'<td class="number">{value:.2f}</td>'
        if math.isfinite(value)
        else ('<td class="number">-</td>')
    )


def _bars(synthetic: float, real: float) -> str:
    widths = [0.0 if not math.isfinite(each) else 100 * each for each in (synthetic, real)]
    return (
        f'<div class="bars" aria-hidden="true"><span style="width:{widths[0]:.0f}%"></span>'
        f'<span class="real" style="width:{widths[1]:.0f}%"></span></div>'
    )
