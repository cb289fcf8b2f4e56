"""The key figures of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supcon_ext.experiment.results_table import KEYS, result_rows
from supcon_ext.report.page import PageSection, text
from supcon_ext.report.table import table

CARDS = 4


def measures(results: Mapping[str, Any]) -> PageSection:
    """The figures that stand first, the run's own table, and everything else that was measured."""
    rows = result_rows(results)
    body = ""
    if rows:
        named = [(k, v) for k, v in [*rows[0].items()][KEYS:] if v is not None]
        cards = "".join(
            f"<div><b>{value:.3f}</b><span>{text(_words(name))}</span></div>"
            for name, value in named[:CARDS]
        )
        where = f"by {rows[0]['evaluator']} on the test set, {rows[0]['network']}"
        body += f'<div class="cards">{cards}</div><p>{text(where)}</p>'
        columns = list(dict.fromkeys(column for row in rows for column in row))
        body += table(
            [_words(name) for name in columns], [[r.get(c) for c in columns] for r in rows]
        )
    every = [
        (chosen, split, name, key, value)
        for chosen in ("last", "best")
        for split, by_evaluator in results.get(chosen, {}).items()
        for name, found in by_evaluator.items()
        for key, value in found.items()
    ]
    if every:
        headings = ("network", "split", "evaluator", "measure", "value")
        told = f"<summary>All {len(every)} numbers</summary>"
        body += f"<details>{told}{table(headings, every)}</details>"
    return PageSection("Results", body)


def _words(name: str) -> str:
    return name.replace("_", " ")
