"""A run or a sweep made into a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from data_tools.whole_file import write_whole
from supcon_ext.experiment.cannot_start import starting
from supcon_ext.experiment.folder import find_run_or_sweep, is_sweep
from supcon_ext.report.run_report import run_page
from supcon_ext.report.sweep_report import sweep_page

REPORT = "report.html"


def write_report(
    run: str | Path,
    out: str | Path | None = None,
    *,
    device: str = "auto",
    force: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Path:
    """Write the page of a finished run or of a sweep.

    Args:
        run: Folder or name.
        out: The file to make, whole or not at all; None for ``report.html`` in the run's folder.
        device: What a run's encoder is computed on.
        force: Let an existing file be replaced.
        tell: Given a line on each thing worth knowing.

    Returns:
        The file.

    Raises:
        CannotStart: There is no such run, it is not finished, or is of an older version; or the
            file is there, or cannot be made.
    """
    with starting():
        folder = find_run_or_sweep(run)
        target = folder / REPORT if out is None else Path(out)
        if target.is_dir() or (target.exists() and not force):
            what = "is a folder" if target.is_dir() else "is there"
            raise ValueError(
                f"Expected a new file, but {target} {what}. Try: --force, or another -o"
            )
        if not target.parent.is_dir():
            raise ValueError(f"Expected a folder for {target.name}, but got {target.parent}.")
        made = (
            sweep_page(folder, tell=tell)
            if is_sweep(folder)
            else run_page(folder, device=device, tell=tell)
        )
        write_whole(target, made)
    return target
