"""Runs side by side: what they differ in, and each metric over their seeds."""

from __future__ import annotations

import html
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from data_tools.printable import printable
from supcon_ext.evaluation.headline import headline, is_long_tailed
from supcon_ext.recipe.resolved import leaves
from supcon_ext.tracking.results import read_results

FEW_KEYS = 3


@dataclass(frozen=True)
class Spread:
    """A metric over seeds.

    Attributes:
        mean: Over the seeds.
        std: Sample standard deviation; None of a single seed.
        n: Number of seeds.
    """

    mean: float
    std: float | None
    n: int

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """Mean and sample standard deviation of at least one value."""
        std = statistics.stdev(values) if len(values) > 1 else None
        return Spread(statistics.fmean(values), std, len(values))

    def __str__(self) -> str:
        mean = f"{self.mean:.4f}"
        return mean if self.std is None else f"{mean} ± {self.std:.4f}"


@dataclass(frozen=True)
class Row:
    """Runs that differ in their seeds alone.

    Attributes:
        variant: In what they differ from the other rows.
        network: ``last`` epoch, or ``best`` on validation.
        evaluator: Whose figures these are: the first of the recipe's.
        seeds: In their order.
        metrics: On the test set, by name.
        runs: Folders.
    """

    variant: Mapping[str, Any]
    network: str
    evaluator: str
    seeds: tuple[int, ...]
    metrics: Mapping[str, Spread]
    runs: tuple[Path, ...]


@dataclass(frozen=True)
class Comparison:
    """A table of runs.

    Attributes:
        axes: Keys in which the rows differ.
        rows: Last epoch and best on validation of each variant.
        long_tailed: Whether a run is, so that what cannot hide a lost class stands first.
    """

    axes: tuple[str, ...]
    rows: tuple[Row, ...]
    long_tailed: bool = False

    @property
    def metrics(self) -> list[str]:
        """The metrics that a row has, in the order of the table."""
        names = (*headline(self.long_tailed), "knn accuracy", "ece")
        return [name for name in names if any(name in row.metrics for row in self.rows)]

    @property
    def keys(self) -> list[str]:
        """Headings of what tells the rows apart."""
        return [*self.axes, "network"]

    @property
    def columns(self) -> list[str]:
        """Headings of the table."""
        return [*self.keys, "evaluator", "n", *self.metrics]

    def table(self) -> list[dict[str, str]]:
        """Cells by heading, a mapping for each row; ``n/a`` where a metric does not apply."""
        return [
            {
                **{axis: shown(row.variant.get(axis)) for axis in self.axes},
                "network": row.network,
                "evaluator": row.evaluator,
                "n": str(len(row.seeds)),
                **{name: str(row.metrics.get(name, "n/a")) for name in self.metrics},
            }
            for row in self.rows
        ]

    def to_json(self) -> dict[str, Any]:
        """The table with full precision, in plain values."""
        return {
            "axes": list(self.axes),
            "rows": [
                {
                    "variant": dict(row.variant),
                    "network": row.network,
                    "evaluator": row.evaluator,
                    "seeds": list(row.seeds),
                    "runs": [str(run) for run in row.runs],
                    "metrics": {
                        name: {"mean": s.mean, "std": s.std, "n": s.n}
                        for name, s in row.metrics.items()
                    },
                }
                for row in self.rows
            ],
        }

    def markdown(self) -> str:
        """The table in Markdown."""
        head = [_markdown_cell(column) for column in self.columns]
        lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(self.columns)]
        lines += [
            "| " + " | ".join(_markdown_cell(row[c]) for c in self.columns) + " |"
            for row in self.table()
        ]
        return "\n".join(lines) + "\n"


def compare(runs: Iterable[Path], by: Sequence[str] | None = None) -> Comparison:
    """Compare finished runs.

    Args:
        runs: Their folders; the folder of a sweep stands for its runs.
        by: Recipe keys that tell rows apart; None finds them: the sweep's axes, or every key in
            which the recipes differ other than seeds.

    Raises:
        ValueError: No runs, or one has no results.
    """
    folders = [child for run in runs for child in _expand(run)]
    if not folders:
        raise ValueError("Expected at least one finished run to compare, but got none")
    results = {folder: read_results(folder) for folder in folders}
    variants = _variants(folders, by)
    axes = tuple(dict.fromkeys(key for variant in variants.values() for key in variant))
    grouped: dict[str, list[Path]] = {}
    for folder in folders:
        grouped.setdefault(json.dumps(variants[folder], sort_keys=True), []).append(folder)
    rows = []
    for group in grouped.values():
        rows += [
            _row(variants[group[0]], network, group, results)
            for network in ("last", "best")
            if all("test" in results[folder].get(network, {}) for folder in group)
        ]
    return Comparison(axes, tuple(rows), any(map(is_long_tailed, results.values())))


def _expand(run: Path) -> list[Path]:
    if (run / "recipe.yaml").is_file():
        return [run]
    return sorted(child for child in run.glob("*") if (child / "results.json").is_file())


def _variants(folders: list[Path], by: Sequence[str] | None) -> dict[Path, dict[str, Any]]:
    places = [folder / "variant.json" for folder in folders]
    if by is None and all(place.is_file() for place in places):
        return {
            folder: json.loads(place.read_text())["variant"]
            for folder, place in zip(folders, places, strict=True)
        }
    flat = {folder: _written(folder / "recipe.yaml") for folder in folders}
    keys = sorted({key for leaves in flat.values() for key in leaves})
    if by is not None:
        missing = [key for key in by if key not in keys]
        if missing:
            raise ValueError(f"Expected keys of the runs' recipes, but got {', '.join(missing)}")
        keys = list(by)
    else:
        ignored = ("name", "description", "tracking.", "compute.workers")
        keys = [k for k in keys if not k.startswith(ignored) and k.rpartition(".")[2] != "seed"]
        keys = [k for k in keys if len({json.dumps(flat[f].get(k)) for f in folders}) > 1]
        by_name = {(flat[f]["name"], json.dumps([flat[f].get(k) for k in keys])) for f in folders}
        if len(keys) > FEW_KEYS and len(by_name) == len({name for name, _ in by_name}):
            keys = ["name"]  # the recipes' names tell the rows apart, and better
    return {folder: {key: flat[folder].get(key) for key in keys} for folder in folders}


def _written(recipe: Path) -> dict[str, Any]:
    """What a recipe says, by dotted path, without what it leaves empty."""
    found = leaves(yaml.safe_load(recipe.read_text()))
    return {key: value for key, value in found.items() if value not in ({}, [])}


def _row(
    variant: Mapping[str, Any],
    network: str,
    group: list[Path],
    results: Mapping[Path, Mapping[str, Any]],
) -> Row:
    group = sorted(group, key=lambda folder: int(results[folder]["seed"]))
    found = [results[folder] for folder in group]
    evaluators = sorted({result["headline"] for result in found})
    values: dict[str, list[float]] = {}
    for result in found:
        tests = result[network]["test"]
        metrics = dict(tests[result["headline"]])
        if "knn" in tests:
            metrics["knn accuracy"] = tests["knn"]["accuracy"]
        for name, value in metrics.items():
            if value is not None and math.isfinite(value):
                values.setdefault(name, []).append(value)
    return Row(
        variant=variant,
        network=network,
        evaluator="/".join(evaluators),
        seeds=tuple(int(result["seed"]) for result in found),
        metrics={name: Spread.of(v) for name, v in values.items() if len(v) == len(found)},
        runs=tuple(group),
    )


def _markdown_cell(text: str) -> str:
    """A cell that ends no row or column, and holds neither HTML nor a link."""
    written = html.escape(printable(text), quote=False)
    for mark, safe in (("|", r"\|"), ("`", r"\`"), ("](", r"]\(")):
        written = written.replace(mark, safe)
    return written


def shown(value: Any) -> str:
    """A value of an axis, as text."""
    return value if isinstance(value, str) else json.dumps(value)
