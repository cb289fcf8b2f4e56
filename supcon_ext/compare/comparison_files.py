"""A comparison as files: a table in three forms, and figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from data_tools.csv_cell import csv_cell
from data_tools.whole_file import whole_file, write_whole
from supcon_ext.compare.comparison import Comparison
from supcon_ext.compare.figure import draw
from supcon_ext.compare.selection_curves import draw_selections


def write_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Write ``comparison.json``, ``.csv``, ``.md`` and ``.png`` into a folder.

    And ``selection.png``, where runs selected samples and the true labels are known.

    Args:
        comparison: What to write.
        folder: Where to; made if it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"comparison.{ending}" for ending in ("json", "csv", "md", "png")]
    write_whole(paths[0], json.dumps(comparison.to_json(), indent=2) + "\n")
    with whole_file(paths[1]) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, comparison.columns)
        writer.writeheader()
        writer.writerows(
            {key: csv_cell(text) for key, text in row.items()} for row in comparison.table()
        )
    write_whole(paths[2], comparison.markdown())
    draw(comparison, paths[3])
    selection = folder / "selection.png"
    if draw_selections(comparison, selection):
        paths.append(selection)
    return paths
