"""``supcon validate`` and ``supcon show``: what a recipe says, without running it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click

from supcon_ext.cli.group import WRONG_INPUT, WrongInputError, user_input
from supcon_ext.cli.output import print_json


@click.command(
    epilog="""\b
$ supcon validate mine.yaml data.noise.rate=1.3
command line: 1 problem
  data.noise.rate=1.3  Expected a value of at most 1, but got 1.3.
$ echo $?
2"""
)
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def validate(
    context: click.Context, recipe: str, overrides: tuple[str, ...], as_json: bool
) -> None:
    """Check a recipe or a sweep whole, and say everything that is wrong with it."""
    from supcon_ext.recipe.library import find_recipe, is_sweep
    from supcon_ext.recipe.load import load_recipe
    from supcon_ext.recipe.problems import RecipeError

    problems = []
    try:
        with user_input():
            path = find_recipe(recipe)
            if is_sweep(path):
                from supcon_ext.sweep import load_sweep

                load_sweep(path, overrides)
            else:
                load_recipe(path, overrides)
    except WrongInputError as error:
        cause = error.__cause__
        if not (as_json and isinstance(cause, RecipeError)):
            raise
        problems = cause.problems
    if as_json:
        print_json(
            {"valid": not problems, "problems": [dataclasses.asdict(each) for each in problems]}
        )
    else:
        click.echo(f"{recipe}: no problems")
    if problems:
        context.exit(WRONG_INPUT)


@click.command(
    epilog="""\b
$ supcon show mine.yaml seed=3 | tail -n 1
seed: 3                        # override"""
)
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, without origins.")
def show(recipe: str, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print a recipe with all defaults, and where each value comes from.

    Of a sweep, print the recipe of each run.
    """
    from supcon_ext.recipe.library import find_recipe, is_sweep
    from supcon_ext.recipe.load import check, load_layers
    from supcon_ext.recipe.resolved import resolve
    from supcon_ext.recipe.show import annotated_yaml

    with user_input():
        path = find_recipe(recipe)
        if is_sweep(path):
            _show_sweep(path, overrides, as_json)
            return
        layers, problems = load_layers(path, overrides)
        checked = check(layers, problems)
    if as_json:
        print_json(resolve(checked))
    else:
        click.echo(annotated_yaml(checked, layers), nl=False)


def _show_sweep(path: Path, overrides: Sequence[str], as_json: bool) -> None:
    from supcon_ext.recipe.resolved import resolve, to_yaml
    from supcon_ext.sweep import load_sweep

    children = load_sweep(path, overrides).children
    if as_json:
        print_json({child.name: resolve(child.recipe) for child in children})
    else:
        documents = [f"# {child.name}\n{to_yaml(child.recipe)}" for child in children]
        click.echo("---\n".join(documents), nl=False)
