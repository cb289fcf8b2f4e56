"""``supcon runs``: what has been run here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from supcon_ext.cli.completion import complete_run
from supcon_ext.cli.group import user_input
from supcon_ext.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    from supcon_ext.runs.found import FoundRun

SHOWN = 3
"""Figures of a run in the table; --json has all."""
HEADINGS = ("RUN", "STATE", "BEGAN", "TOOK", "SEED", "SIZE", "RECIPE", "FOUND")
_ROOT = click.option(
    "--in",
    "root",
    type=Path,
    default=Path("runs"),
    show_default=True,
    metavar="FOLDER",
    help="Where the runs are: a recipe's tracking.folder.",
)


@click.group(
    invoke_without_command=True,
    epilog="""\b
$ supcon runs
$ supcon runs --in /data/runs --json
$ supcon runs remove selcl-digits-acb175-s0""",
)
@_ROOT
@json_option
@click.pass_context
def runs(context: click.Context, root: Path, as_json: bool) -> None:
    """List the runs and sweeps that are here, the newest first.

    A run is finished, running, stopped (go on with: supcon resume), failed, or damaged. It took the
    time that its processes worked. The figures are those of its first evaluator on the test set
    after the last epoch, in the order of the run's own table.
    """
    context.obj = root
    if context.invoked_subcommand is not None:
        return
    from supcon_ext.runs.found import find_runs

    unasked = root == Path("runs") and not root.exists()
    with user_input():
        found = [] if unasked else find_runs(root)
    if as_json:
        print_json([_plain(each) for each in found])
        return
    rows = [row for each in found for row in _rows(each)]
    if not rows:
        click.echo(f"Nothing has been run in {root}. Begin with: supcon run quickstart", err=True)
        return
    print_table(HEADINGS, rows)
    click.echo("\nAs a page: supcon report RUN   Side by side: supcon compare RUN RUN", err=True)


@runs.command()
@click.argument("names", metavar="RUN...", nargs=-1, required=True, shell_complete=complete_run)
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.pass_obj
def remove(root: Path, names: tuple[str, ...], yes: bool) -> None:
    """Remove runs, or whole sweeps, from the disk, after a question.

    RUN is the folder of a run or a sweep, its name under runs/ (or --in), or the beginning of the
    name. One that is running is refused, and so is a folder that is neither's; then none is
    removed. What MLflow has of it stays there.
    """
    from supcon_ext.experiment.folder import find_run_or_sweep
    from supcon_ext.runs.found import describe
    from supcon_ext.runs.remove import check_removable
    from supcon_ext.runs.remove import remove as remove_run

    with user_input():
        folders = list(dict.fromkeys(find_run_or_sweep(name, root) for name in names))
        for folder in folders:
            check_removable(folder)
        found = [describe(folder) for folder in folders]
        for each in found:
            if busy := [one for one in (each, *each.runs) if one.state == "running"]:
                raise ValueError(
                    f"Expected runs that nobody works on, but {busy[0].folder} is running. "
                    "Nothing was removed. Try: wait until it ends, or stop it"
                )
    for each in found:
        of = f"{len(each.runs)} runs, " if each.kind == "sweep" else ""
        click.echo(f"{each.folder}  {each.state}, {of}{_size(each.size)}", err=True)
    question = "Remove it?" if len(found) == 1 else f"Remove these {len(found)}?"
    if not yes and not click.confirm(question, err=True):
        click.echo("Nothing was removed.", err=True)
        return
    with user_input():
        for each in found:
            remove_run(each.folder)
            click.echo(f"removed {each.folder}")


def _rows(found: FoundRun, indent: str = "") -> Iterator[tuple[str, ...]]:
    yield (
        indent + found.folder.name,
        found.state,
        "-"
        if found.began is None
        else time.strftime("%Y-%m-%d %H:%M", time.localtime(found.began)),
        "-" if found.seconds is None else _duration(found.seconds),
        "-" if found.seed is None else str(found.seed),
        _size(found.size),
        found.name,
        _told(found),
    )
    for each in found.runs:
        yield from _rows(each, indent + "  ")


def _told(found: FoundRun) -> str:
    if found.why:
        return found.why
    if found.kind == "sweep":
        finished = sum(each.state == "finished" for each in found.runs)
        return f"{finished} of {len(found.runs)} runs finished"
    shown = [f"{name} {value:.3f}" for name, value in [*found.figures.items()][:SHOWN]]
    return f"{found.evaluator}: {', '.join(shown)}" if shown else "-"


def _plain(found: FoundRun) -> dict[str, Any]:
    """A run as JSON has it, its time in ISO 8601."""
    import dataclasses
    from datetime import UTC, datetime

    told = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    began = found.began
    told["began"] = None if began is None else datetime.fromtimestamp(began, UTC).isoformat()
    return {**told, "runs": [_plain(each) for each in found.runs]}


def _duration(seconds: float) -> str:
    from supcon_ext.progress.outlook import duration

    return duration(seconds)


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
