"""Differences between rows on the seeds that they share, which spread over seeds does not blur."""

from __future__ import annotations

import math
from dataclasses import dataclass

from supcon_ext.compare.comparison import Comparison, Row, Spread, shown
from supcon_ext.evaluation.headline import headline
from supcon_ext.tracking.results import read_results

FEWEST = 2


@dataclass(frozen=True)
class Paired:
    """A row against the best one.

    Attributes:
        name: The row's place on the axes.
        against: The best row's.
        measure: What is compared, on the test set after the last epoch.
        difference: Row less best, over the shared seeds.
        low: Lower end of the 95 % interval of the mean.
        high: Upper end.
    """

    name: str
    against: str
    measure: str
    difference: Spread
    low: float
    high: float


def paired(comparison: Comparison) -> list[Paired]:
    """Every row of the last epoch against the one of the highest mean.

    The measure is the one that stands first in the table. A row that shares fewer than two seeds
    with the best is left out.
    """
    rows = [row for row in comparison.rows if row.network == "last"]
    names = [
        name for name in headline(comparison.long_tailed) if all(name in r.metrics for r in rows)
    ]
    if len(rows) < 2 or not names:
        return []
    measure = names[0]
    best = max(rows, key=lambda row: row.metrics[measure].mean)
    found = []
    at_best = _by_seed(best, measure)
    for row in rows:
        at_row = _by_seed(row, measure)
        shared = sorted(at_row.keys() & at_best.keys())
        if row is best or len(shared) < FEWEST:
            continue
        difference = Spread.of([at_row[seed] - at_best[seed] for seed in shared])
        half = _half_width(difference)
        low, high = difference.mean - half, difference.mean + half
        found.append(Paired(_name(row), _name(best), measure, difference, low, high))
    return found


def _by_seed(row: Row, measure: str) -> dict[int, float]:
    found = {}
    for seed, run in zip(row.seeds, row.runs, strict=True):
        results = read_results(run)
        found[seed] = float(results[row.network]["test"][results["headline"]][measure])
    return found


def _half_width(difference: Spread) -> float:
    from scipy.stats import t

    return float(t.ppf(0.975, difference.n - 1)) * (difference.std or 0.0) / math.sqrt(difference.n)


def _name(row: Row) -> str:
    return ", ".join(shown(choice) for choice in row.variant.values()) or "run"
