"""``supcon run``, ``supcon resume`` and ``supcon sync``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from supcon_ext.cli.completion import complete_recipe, complete_run
from supcon_ext.cli.group import WrongInputError, user_input
from supcon_ext.cli.outcome import print_place, print_results
from supcon_ext.cli.output import json_option, print_json
from supcon_ext.progress.first_process import is_first_process

if TYPE_CHECKING:
    from supcon_ext.experiment import RunResult
    from supcon_ext.recipe.schema import Recipe


@click.command(
    epilog="""\b
$ supcon run quickstart data.noise.rate=0.2 seed=3
$ supcon run mine.yaml stages.warmup.epochs=1 --dry-run
$ torchrun --nproc-per-node=4 -m supcon_ext run mine.yaml"""
)
@click.argument("recipe", shell_complete=complete_recipe)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--dry-run", is_flag=True, help="Make everything and one batch, and train nothing.")
@json_option
@click.pass_context
def run(
    context: click.Context,
    recipe: str,
    overrides: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run a recipe: a file, or the name of one that ships.

    KEY=VALUE sets any key of the recipe: data.noise.rate=0.2, stages.warmup.epochs=3, seed=1.
    """
    from supcon_ext.recipe.library import find_recipe, is_sweep

    with user_input():
        path = find_recipe(recipe)
    if is_sweep(path):
        if dry_run:
            raise click.UsageError(f"--dry-run works on a recipe, but {recipe} is a sweep.")
        from supcon_ext.cli.sweep import run_sweep_file

        click.echo(f"{recipe} is a sweep: running it as `supcon sweep {recipe}`.", err=True)
        run_sweep_file(context, path, overrides, as_json=as_json)
        return
    from supcon_ext.recipe.load import load_recipe
    from supcon_ext.tracking.store_uri import resolve_uri

    with user_input():
        loaded = load_recipe(path, overrides)
        resolve_uri(loaded.tracking.uri)
    from supcon_ext import experiment

    with user_input():
        loaded = experiment.as_launched(loaded)
    if dry_run:
        _print_trial(loaded, overrides, experiment.dry_run(loaded), as_json)
    else:
        _print_result(experiment.run(loaded), as_json)


@click.command(
    epilog="""\b
$ supcon resume runs/quickstart-4f1c9a-s0
$ supcon resume runs/quickstart-4f1c9a-s0 --accept code --accept packages"""
)
@click.argument("run_name", metavar="RUN", shell_complete=complete_run)
@click.option(
    "--accept",
    multiple=True,
    type=click.Choice(["recipe", "code", "plugins", "packages", "accelerator"]),
    help="Go on though this has changed since the start, and record it; can be given again.",
)
@click.option("--from-start", is_flag=True, help="Begin again at epoch 1, whatever was done.")
@json_option
def resume(run_name: str, accept: tuple[str, ...], from_start: bool, as_json: bool) -> None:
    """Go on with a run that stopped, to the same numbers.

    RUN is a run's folder, its name under runs/, or the beginning of the name. Other data, code,
    plug-ins or packages than at its start, or another recipe.yaml, would give numbers of two
    kinds: they are refused, or accepted by name.
    """
    from supcon_ext import experiment

    made = experiment.resume(run_name, accept=accept, from_start=from_start)
    _print_result(made, as_json)


@click.command()
@click.argument("run_name", metavar="RUN", shell_complete=complete_run)
@click.option("--uri", help="Another MLflow store than the run's own.")
@click.option("--register", "name", help="Make its model a version of this registered model.")
def sync(run_name: str, uri: str | None, name: str | None) -> None:
    """Send what MLflow lacks of a run, and register its model if asked to.

    RUN is a run's folder, its name under runs/, or the beginning of the name.

    The model takes pictures as people have them (paths, bytes, base64, arrays) and gives class,
    probability and distance: mlflow models serve -m models:/NAME/VERSION --env-manager local
    """
    from supcon_ext.experiment import find_run
    from supcon_ext.experiment.lock import lock
    from supcon_ext.tracking.register import register
    from supcon_ext.tracking.store_error import StoreError
    from supcon_ext.tracking.sync import sync as send
    from supcon_ext.use.evaluation_record import tell_of_evaluations, untold_evaluations

    with user_input():
        folder = find_run(run_name)
        if untold_evaluations(folder):
            with lock(folder):
                tell_of_evaluations(folder)
    try:
        sent = send(folder, uri)
        version = None if name is None else register(folder, name, uri)
    except StoreError:
        raise
    except ValueError as error:
        raise WrongInputError(str(error)) from error
    click.echo(f"Sent {sent.sent} lines of {folder} to {sent.uri} (run {sent.run_id}).")
    if sent.refused:
        click.echo(f"MLflow refused {sent.refused} of its values and files.", err=True)
    if version is not None:
        click.echo(f"Registered its model: models:/{name}/{version}")


def _print_trial(
    recipe: Recipe, overrides: Sequence[str], numbers: Mapping[str, float], as_json: bool
) -> None:
    if not is_first_process():
        return
    from supcon_ext.recipe.resolved import recipe_hash

    if as_json:
        print_json({"recipe": recipe.name, "hash": recipe_hash(recipe), "numbers": numbers})
        return
    lines = {"recipe": recipe.name, "hash": recipe_hash(recipe)[:6]}
    if overrides:
        lines["overrides"] = "  ".join(overrides)
    lines |= {name: f"{value:.4g}" for name, value in numbers.items()}
    width = max(map(len, lines))
    for name, text in lines.items():
        click.echo(f"{name:<{width}}  {text}")
    click.echo("One batch was tried. Nothing was trained, and nothing is kept.", err=True)


def _print_result(result: RunResult, as_json: bool) -> None:
    if not is_first_process():
        return
    if as_json:
        print_json(dataclasses.asdict(result))
        return
    from supcon_ext.experiment import result_rows
    from supcon_ext.experiment.results_table import KEYS

    rows = result_rows(result.results)
    print_results(rows, list(dict.fromkeys(column for row in rows for column in row)), KEYS)
    print_place("run", result.folder, result.tracking_uri)
