"""``supcon report``: a run or a sweep as one HTML page."""

from __future__ import annotations

import time
from pathlib import Path

import click

from supcon_ext.cli.completion import complete_run
from supcon_ext.cli.options import device_option, force_option


@click.command(
    epilog="""\b
$ supcon report selcl-folder-4f1c9a-s0
$ supcon report runs/quickstart-4f1c9a -o quickstart.html"""
)
@click.argument("run", shell_complete=complete_run)
@click.option(
    "-o",
    "--out",
    type=Path,
    metavar="FILE",
    help="File to write; default: report.html in the run's folder.",
)
@device_option
@force_option
def report(run: str, out: Path | None, device: str, force: bool) -> None:
    """Write one HTML page on a finished run, or on a sweep, that loads nothing from elsewhere.

    RUN is the folder of a run or a sweep, its name under runs/, or the beginning of the name. The
    page of a run has its figures, curves over epochs, what was believed of each class's labels, the
    confusion matrix, a map of the embedding with pictures under the pointer, the worst errors as
    pictures, the data's fingerprint, the recipe, the environment, and the warnings that the run
    gave. The data is read again for the pictures; without it the page has none, and says so.

    The page of a sweep has means with their spread, differences on shared seeds, what was believed
    by class in each method, its runs, the data's fingerprints, the recipe with what each method
    changes, the environment, and the warnings that its runs gave.
    """
    from supcon_ext.progress.console import ConsoleProgress
    from supcon_ext.report.write import write_report

    began = time.perf_counter()
    with ConsoleProgress() as progress:
        made = write_report(run, out, device=device, force=force, tell=progress.note)
    size = made.stat().st_size / 1e6
    click.echo(f"wrote {made}: {size:.1f} MB, in {time.perf_counter() - began:.1f} s")
