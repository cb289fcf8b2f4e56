"""``supcon compare``: runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from supcon_ext.cli.completion import complete_run
from supcon_ext.cli.group import user_input
from supcon_ext.cli.outcome import print_results
from supcon_ext.cli.output import json_option, print_json


@click.command(
    epilog="""\b
$ supcon compare runs/quickstart-4f1c9a
$ supcon compare mine-81d2 other-77ab --by data.noise.rate --out tables"""
)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_run)
@click.option("--by", multiple=True, help="Key that tells rows apart; default: all that differ.")
@json_option
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for tables and a plot."
)
def compare(runs: tuple[str, ...], by: tuple[str, ...], as_json: bool, out: Path | None) -> None:
    """Compare runs: mean, spread and number of seeds of what else is equal.

    RUN is the folder of a run or a sweep, its name under runs/, or the beginning of the name. A
    sweep stands for all of its runs.
    """
    from supcon_ext.compare import compare as compare_runs
    from supcon_ext.compare import write_comparison
    from supcon_ext.experiment.folder import find_run_or_sweep

    with user_input():
        comparison = compare_runs([find_run_or_sweep(name) for name in runs], by or None)
    if as_json:
        print_json(comparison.to_json())
    else:
        print_results(comparison.table(), comparison.columns, len(comparison.keys))
    if out is not None:
        for path in write_comparison(comparison, out):
            click.echo(str(path), err=True)
