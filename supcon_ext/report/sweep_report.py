"""The page of a sweep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from supcon_ext.compare.comparison import Comparison, compare
from supcon_ext.compare.figure import draw
from supcon_ext.compare.paired import paired
from supcon_ext.compare.selection_curves import draw_selections, selection_curves
from supcon_ext.experiment.kept_warnings import kept_warnings
from supcon_ext.report.drawing import inline
from supcon_ext.report.origin import environment
from supcon_ext.report.page import PageSection, page, text
from supcon_ext.report.sweep_belief import sweep_belief
from supcon_ext.report.sweep_origin import data, recipes
from supcon_ext.report.table import table
from supcon_ext.runs.found import FoundRun, describe


def sweep_page(folder: Path, *, tell: Callable[[str], None] = lambda line: None) -> str:
    """The page of a sweep: means and spreads, what was believed, where it comes from, its runs.

    Args:
        folder: The sweep's.
        tell: Given a line on each thing worth knowing.

    Raises:
        ValueError: None of its runs is finished, or a file is damaged.
    """
    found = describe(folder)
    finished = [each.folder for each in found.runs if each.state == "finished"]
    if not finished:
        raise ValueError(
            f"Expected a sweep with a finished run, but got {folder}, which has none. "
            "Try: give its command again, which goes on with it"
        )
    comparison = compare(finished)
    last = [row for row in comparison.rows if row.network == "last"]
    sections = [
        _results(comparison),
        _warnings(found),
        *_pairs(comparison),
        sweep_belief(last, tell),
        _runs(found),
        data(finished),
        recipes(last),
        environment(finished),
    ]
    told = f"<p>{len(finished)} of {len(found.runs)} runs finished.</p>"
    return page(found.name, told, sections)


def _results(comparison: Comparison) -> PageSection:
    rows = comparison.table()
    columns = comparison.columns
    made = table(columns, [[row[column] for column in columns] for row in rows])
    charts = [inline(lambda path: draw(comparison, path), "Accuracies on the test set")]
    if any(selection_curves(row.runs) for row in comparison.rows):
        charts.append(inline(lambda path: _selections(comparison, path), "Selections over epochs"))
    body = f"<p>On the test set; mean over seeds and one standard deviation.</p>{made}"
    return PageSection("Results", f'{body}<div class="charts">{"".join(charts)}</div>')


def _selections(comparison: Comparison, path: Path) -> None:
    draw_selections(comparison, path)


def _warnings(found: FoundRun) -> PageSection:
    """Runs that are not finished, and what the others warned of, each line once."""
    lines = [
        f"{each.folder.name} is {each.state}{f': {each.why}' if each.why else ''}"
        for each in found.runs
        if each.state != "finished"
    ]
    of: dict[str, list[str]] = {}
    for each in found.runs:
        for line in kept_warnings(each.folder):
            of.setdefault(line, []).append(each.folder.name)
    for line, names in of.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        lines.append(f"{names[0]}{more}: {line}")
    listed = "".join(f"<li>{text(line)}</li>" for line in lines)
    return PageSection("Warnings", f'<ul class="warning">{listed}</ul>' if listed else "")


def _pairs(comparison: Comparison) -> list[PageSection]:
    """Differences of each row from the best one, over the seeds that both have."""
    found = paired(comparison)
    if not found:
        return []
    rows = [
        (each.name, each.difference.mean, f"{each.low:+.4f} to {each.high:+.4f}", each.difference.n)
        for each in found
    ]
    first = found[0]
    told = (
        f"<p>{text(first.measure)} of the last epoch, against {text(first.against)}, which has the "
        "highest mean: differences on the same seeds, and their 95 % interval (Student's t). An "
        "interval with 0 in it says that the seeds do not tell the two apart.</p>"
    )
    headings = ("row", "mean difference", "95 % interval", "seeds")
    return [PageSection("Paired", told + table(headings, rows))]


def _runs(found: FoundRun) -> PageSection:
    names = list(dict.fromkeys(name for each in found.runs for name in each.figures))
    rows = [
        (each.folder.name, each.state, each.seed, *(each.figures.get(name) for name in names))
        for each in sorted(found.runs, key=lambda each: each.folder.name)
    ]
    return PageSection("Runs", table(("run", "state", "seed", *names), rows))
