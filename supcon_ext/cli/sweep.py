"""``supcon sweep``: a grid of settings and seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click

from supcon_ext.cli.completion import complete_recipe
from supcon_ext.cli.group import FAILED, WRONG_INPUT, user_input
from supcon_ext.cli.outcome import print_place, print_results
from supcon_ext.cli.output import json_option, print_json
from supcon_ext.progress.first_process import is_first_process


@click.command(
    epilog="""\b
$ supcon sweep quickstart
$ supcon sweep quickstart seeds=[0,1,2] data.noise.rate=0.2
$ supcon sweep sweeps/joint-digits --only method=bcl --only method=sel_cl"""
)
@click.argument("sweep_file", metavar="SWEEP", shell_complete=complete_recipe)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--only",
    metavar="AXIS=CHOICE",
    multiple=True,
    help="Run these of the grid now, as method=bcl or seed=0; repeatable. The table has all that "
    "are finished.",
)
@click.option("--again", is_flag=True, help="Begin anew, beside what is there.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Runs at a time, each in a process with its share of the CPU threads; as the sweep file "
    "says if not given, but no more than there are CPU cores.",
)
@json_option
@click.pass_context
def sweep(
    context: click.Context,
    sweep_file: str,
    overrides: tuple[str, ...],
    only: tuple[str, ...],
    again: bool,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Run a sweep: a file with a grid, or the name of one that ships.

    Runs that are finished are not run again, and one that stopped midway goes on. KEY=VALUE sets
    a key of the recipe in every run; seeds=[0,1,2] sets the seeds.
    """
    from supcon_ext.recipe.library import find_recipe

    with user_input():
        path = find_recipe(sweep_file)
    run_sweep_file(context, path, overrides, only, again, jobs, as_json)


def run_sweep_file(
    context: click.Context,
    path: Path,
    overrides: Sequence[str],
    only: Sequence[str] = (),
    again: bool = False,
    jobs: int | None = None,
    as_json: bool = False,
) -> None:
    """Load a sweep, run it, and print its table.

    A run that failed is an exit status of 1, one that could not start of 2.
    """
    from supcon_ext.sweep import check_jobs, chosen, jobs_at_hand, load_sweep, run_sweep

    with user_input():
        loaded = load_sweep(path, overrides)
        children = chosen(loaded.children, only)
        if jobs is None:
            jobs = jobs_at_hand(children, loaded.jobs)
        check_jobs(children, jobs)
    result = run_sweep(loaded, only=only, again=again, jobs=jobs)
    found = result.comparison
    if is_first_process() and as_json:
        table = None if found is None else found.to_json()
        told = {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}
        print_json({**told, "comparison": table})
    elif is_first_process():
        if found is not None:
            print_results(found.table(), found.columns, len(found.keys))
        print_place("sweep", result.folder, result.tracking_uri)
    if result.failed:
        click.echo(f"Failed: {', '.join(result.failed)}", err=True)
        context.exit(FAILED if result.began else WRONG_INPUT)
