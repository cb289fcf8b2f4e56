"""A manifest of synthetic images in, one of those that pass the filters out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.prepared import PreparedData
from data_tools.table_rows import write_rows
from data_tools.tables import Table, read_table
from data_tools.whole_file import write_whole
from supcon_ext.synthetic.defect import KINDS
from supcon_ext.synthetic.features import Progress
from supcon_ext.synthetic.filter import SyntheticFilter
from supcon_ext.synthetic.filter_page import write_filter_page
from supcon_ext.synthetic.filter_report import FilterReport, FilterStep
from supcon_ext.synthetic.filtering import BOUND, filtered
from supcon_ext.synthetic.real_training import RealTraining
from supcon_ext.synthetic.report import RefusedSourceError
from supcon_ext.synthetic.sources.manifest import Manifest

BY, FOR, SCORE = "dropped_by", "dropped_for", "dropped_score"
"""Columns of the table of what was dropped."""

PIXELS = (
    "Features are pixels brought to 16 x 16: cheap, and blind to all but colour and coarse shape."
)
Watched = Callable[[str], AbstractContextManager[Progress | None]]


@dataclass(frozen=True)
class FilterResult:
    """What was written.

    Attributes:
        kept: Table of the images that are kept.
        dropped: Table of the others.
        json: The report.
        page: The page, or None.
        report: What the filters did to the images that the manifest's check let through.
        check: What the check of the manifest did to all of its rows.
    """

    kept: Path
    dropped: Path
    json: Path
    page: Path | None
    report: FilterReport
    check: FilterStep


def filter_manifest(
    manifest: str | Path,
    filters: Sequence[SyntheticFilter],
    real: PreparedData,
    out: str | Path,
    *,
    root: str | Path | None = None,
    trust: npt.ArrayLike | None = None,
    encoder: str | None = None,
    bound: float = BOUND,
    page: str | Path | None = None,
    force: bool = False,
    watched: Watched = lambda what: nullcontext(),
) -> FilterResult:
    """Write the rows of a manifest whose images pass all filters, and beside them the others.

    Both tables have the manifest's columns and ``quality``; that of what was dropped also says by
    which filter, for what, and with what score. Nothing is written unless all can be.

    Args:
        manifest: See :class:`~supcon_ext.synthetic.sources.manifest.Manifest`; images that it finds
            to be bad, of an unknown class or parent, or copies of validation or test images, are
            dropped; what else it refuses is refused here.
        filters: In their order.
        real: The data set that the images are for. Filters see its training samples alone.
        out: Table to write, of the manifest's format. ``NAME-dropped`` and ``NAME-report.json``
            are written beside it.
        root: Folder that the manifest's paths start from; None for its own.
        trust: ``(N,)`` of the real training samples; None trusts all.
        encoder: A finished run or ``timm:NAME`` that features are made by, for filters that name
            none; None for pixels.
        bound: Recognisability below which more images of a class are of little help.
        page: HTML page to write; None for none.
        force: Let files that exist be replaced.
        watched: Gives what is told how far something is, by its name.

    Raises:
        ValueError: The manifest is refused, a filter cannot judge, or nothing is left.
        OSError: A file cannot be read or written.
    """
    manifest, out = Path(manifest), Path(out)
    dropped = out.with_name(f"{out.stem}-dropped{out.suffix}")
    json = out.with_name(f"{out.stem}-report.json")
    shown = None if page is None else Path(page)
    _check_targets(manifest, [out, dropped, json, *([shown] if shown else [])], force)
    training = RealTraining.of(real, trust)
    source = Manifest(
        file=str(manifest),
        root=None if root is None else str(root),
        bad="skip",
        unknown_classes="skip",
        unknown_parents="skip",
        leaks="skip",
    )
    with watched("checking images") as progress:
        samples, found = source.inspect(real, 0, progress)
    if samples is None:
        raise RefusedSourceError([found])
    with watched("reading images") as progress:
        _, report = filtered(
            samples,
            filters,
            training,
            encoder=encoder,
            measured=True,
            bound=bound,
            progress=progress,
        )
    table = read_table(manifest)
    listed = [row.where for row in source.listing(real).rows]
    left_out = {
        defect.row: defect.kind
        for defect in found.defects
        if defect.row >= 0 and found.fates[defect.kind] != "told"
    }
    places = {table.place(row): row for row in range(len(table))}
    used = [places[where] for row, where in enumerate(listed) if row not in left_out]
    wrong = {places[listed[row]]: KINDS[kind].words for row, kind in left_out.items()}
    others = set(range(len(table))) - set(used) - wrong.keys()
    wrong |= dict.fromkeys(others, KINDS["other_row"].words)
    base = manifest.parent if root is None else Path(root)
    reasons = dict(Counter(wrong.values()).most_common())
    share = len(used) / len(table)
    check = FilterStep("manifest", {}, len(table), len(used), reasons, share)
    if shown is not None:
        with watched("drawing pictures") as progress:
            seen_by = PIXELS if encoder is None else f"Features are those of {encoder}."
            title = f"{manifest.name}, filtered"
            write_filter_page(
                shown,
                samples,
                report,
                title,
                before=check,
                seen_by=seen_by,
                progress=progress,
            )
    write_whole(json, report.text(check))
    _write_dropped(dropped, table, base, used, report, wrong)
    _write_kept(out, table, base, used, report)
    return FilterResult(out, dropped, json, shown, report, check)


def _write_kept(
    out: Path, table: Table, base: Path, used: Sequence[int], report: FilterReport
) -> None:
    kept = np.flatnonzero(report.kept).tolist()
    rows = [used[place] for place in kept]
    quality = [_number(report.quality[place]) for place in kept]
    write_rows(out, table, rows, {**_paths(out, table, base, rows), "quality": quality})


def _write_dropped(
    out: Path,
    table: Table,
    base: Path,
    used: Sequence[int],
    report: FilterReport,
    wrong: dict[int, str],
) -> None:
    """In the order of the manifest."""
    told: dict[int, tuple[Any, ...]] = {
        row: (None, "manifest", words, None) for row, words in wrong.items()
    }
    for place in np.flatnonzero(~report.kept).tolist():
        told[used[place]] = (
            _number(report.quality[place]),
            report.steps[report.step[place]].filter,
            report.reason[place],
            _number(report.score[place]),
        )
    rows = sorted(told)
    names = ("quality", BY, FOR, SCORE)
    columns = {name: [told[row][number] for row in rows] for number, name in enumerate(names)}
    write_rows(out, table, rows, {**_paths(out, table, base, rows), **columns})


def _paths(out: Path, table: Table, base: Path, rows: Sequence[int]) -> dict[str, list[Any]]:
    """Paths as they are seen from a table in another folder."""
    cells = [table.columns["path"][row] for row in rows]
    folder, start = os.path.abspath(out.parent), os.path.abspath(base)
    if folder == start:
        return {}
    found = []
    for cell in cells:
        absolute = os.path.normpath(os.path.join(start, str(cell).strip()))
        below = os.path.commonpath([absolute, folder]) == folder
        found.append(os.path.relpath(absolute, folder) if below else absolute)
    return {"path": found}


def _number(value: Any) -> float:
    """A float32 as people write it."""
    return float(f"{float(value):.6g}")


def _check_targets(manifest: Path, targets: Sequence[Path], force: bool) -> None:
    out = targets[0]
    if out.suffix.lower() != manifest.suffix.lower():
        raise ValueError(
            f"Expected a file of the manifest's format, {manifest.suffix}, to write to, but got "
            f"{out}."
        )
    for path in targets:
        if not path.parent.is_dir():
            raise ValueError(f"Expected a file in a folder that exists, but got {path}.")
        if path.is_dir() or path.resolve() == manifest.resolve():
            raise ValueError(f"Expected another file to write to than {path}.")
        if path.exists() and not force:
            raise ValueError(f"Expected a new file, but {path} exists. Try: --force.")
    if len({path.resolve() for path in targets}) < len(targets):
        raise ValueError(f"Expected another page than the other files, but got {targets[-1]}.")
