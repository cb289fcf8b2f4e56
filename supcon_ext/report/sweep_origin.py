"""Where a sweep's numbers come from: its data, and its recipe with what each method changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from supcon_ext.compare.comparison import Row, shown
from supcon_ext.experiment.folder import RECIPE
from supcon_ext.recipe.resolved import leaves
from supcon_ext.report.origin import data_of, text_lines
from supcon_ext.report.page import PageSection, text
from supcon_ext.report.table import table
from supcon_ext.tracking.results import read_results

IGNORED = ("name", "description", "tracking.")


def data(folders: Sequence[Path]) -> PageSection:
    """The fingerprints, each with its runs, and the data of the first run.

    Args:
        folders: Of finished runs.
    """
    runs: dict[str, list[str]] = {}
    for folder in folders:
        mark = str(read_results(folder).get("fingerprint", "not told"))
        runs.setdefault(mark, []).append(folder.name)
    told = "1 fingerprint" if len(runs) == 1 else f"{len(runs):,} fingerprints"
    body = (
        f"<p>{told}, over indices, labels, split and settings: runs of the same one saw the same "
        "data.</p>"
    )
    lines = [(mark, ", ".join(names)) for mark, names in runs.items()]
    body += table(("fingerprint", "runs"), lines, wrapped=("fingerprint", "runs"))
    return PageSection("Data", f"{body}<h3>{text(folders[0].name)}</h3>{data_of(folders[0])}")


def recipes(rows: Sequence[Row]) -> PageSection:
    """A column for each method of what they differ in, folded what all share or some alone have.

    Args:
        rows: Of the comparison, those of one network.
    """
    found = [_settings(row.runs) for row in rows]
    keys = list(dict.fromkeys(key for each in found for key in each))
    same = [key for key in keys if all(each.get(key) == found[0].get(key) for each in found)]
    other = [key for key in keys if key not in same]
    body = ""
    if other:
        heads = ("key", *(", ".join(map(shown, row.variant.values())) for row in rows))
        lines = {key: [key, *(each.get(key) for each in found)] for key in other}
        several = [key for key in other if len({each[key] for each in found if key in each}) > 1]
        alone = [key for key in other if key not in several]
        body += (
            f"<p>{len(other):,} of {len(keys):,} keys differ between the methods; a dash stands "
            "for a key that a method does not have.</p>"
        )
        body += table(heads, [lines[key] for key in several]) if several else ""
        if alone:
            count = "1 key" if len(alone) == 1 else f"{len(alone):,} keys"
            summary = f"<summary>What some methods alone have: {count}</summary>"
            opened = "" if several else " open"
            more = table(heads, [lines[key] for key in alone])
            body += f"<details{opened}>{summary}{more}</details>"
    base = text_lines("\n".join(f"{key}: {found[0][key]}" for key in same))
    summary = f"<summary>What all share: {len(same):,} keys</summary>"
    return PageSection("Recipe", f"{body}<details>{summary}<pre>{base}</pre></details>")


def _settings(runs: Sequence[Path]) -> dict[str, str]:
    """Keys of the runs' recipes with their values, several where the seeds change them."""
    values: dict[str, list[str]] = {}
    for run in runs:
        written: Mapping[str, Any] = yaml.safe_load((run / RECIPE).read_text(encoding="utf-8"))
        for key, value in leaves(written).items():
            if not key.startswith(IGNORED):
                one = shown(value)
                several = values.setdefault(key, [])
                several += [one] if one not in several else []
    return {key: ", ".join(several) for key, several in values.items()}
