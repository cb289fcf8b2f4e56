"""What members cost, as ``python -m tests.benchmarks.cost`` measured it into ``costs.json``."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

COSTS = Path(__file__).parents[1] / "costs.json"
MEASURED = ("selector", "weighting", "term")
NEVER = "not measured"


def columns_of(family: str) -> dict[str, Callable[[str], str]]:
    """Columns of a family's table: the head of each, and what it says of a member by its name."""
    if family not in MEASURED:
        return {}
    classes = report()["arguments"]["classes"]
    steps = {f"a step, ms: {n} classes": _step(family, n) for n in classes}
    return {**steps, "a refresh, s": _refresh} if family == "selector" else dict(steps)


def _step(family: str, classes: int) -> Callable[[str], str]:
    rows = {
        row["name"]: row
        for row in report()["steps"]
        if (row["family"], row["classes"]) == (family, classes)
    }

    def told(name: str) -> str:
        if name not in rows:
            return NEVER
        times, added = rows[name]["step"], rows[name]["added"]
        low, high = (added + times[side] - times["median"] for side in ("lower", "upper"))
        return f"{1e3 * added:+.1f} ({1e3 * low:+.1f} to {1e3 * high:+.1f})"

    return told


def _refresh(name: str) -> str:
    if name in report()["refreshes"]:
        return f"{report()['refreshes'][name]['median']:.2f}"
    return "-" if name in {row["name"] for row in report()["steps"]} else NEVER


def how_measured(family: str) -> str:
    """What the columns are, on which machine, with which versions."""
    told = report()
    of, machine, versions = told["arguments"], told["machine"], told["versions"]
    base, beside = (
        ("bare", "a bare network of a few small layers, all heads of it (who asks fewer is below)")
        if family == "term"
        else ("contrastive", "plain SupCon")
    )
    took = " and ".join(
        f"{1e3 * row['step']['median']:.1f} ms at {row['classes']} classes"
        for row in told["steps"]
        if row["name"] == base
    )
    refresh = (
        f" A refresh: of {of['samples']:,} samples of {of['dim']} features and "
        f"{of['classes'][0]} classes, its own search of neighbours included, once an epoch."
        if family == "selector"
        else ""
    )
    whole = "".join(
        f" Who needs tokens passes images through the network itself: of `{name}` all of its step, "
        f"on {network}."
        for of, network in told.get("on_tokens", {}).items()
        for kind, _, name in [of.partition("/")]
        if kind == family
    )
    program = f"Python {versions['python']}, torch {versions['torch']}"
    return (
        f"A step: what forward and backward of {of['batch']} samples in {of['views']} views of "
        f"{of['dim']} dimensions take beyond {beside} ({took}, in the same rounds): the median of "
        f"{of['repeats']}, and quartiles in brackets, with default parameters.{whole}{refresh} "
        f"Measured by `python -m tests.benchmarks.cost` on {machine['cpu']}, one thread, "
        f"{program}, as time of the processor; the machine's load was {told['load'][0]:.1f} to "
        f"{told['load'][1]:.1f} on {machine['cores']} cores, so that differences smaller than the "
        "brackets say nothing."
    )


@cache
def report() -> dict[str, Any]:
    """What the benchmark wrote."""
    found: dict[str, Any] = json.loads(COSTS.read_text(encoding="utf-8"))
    return found
