"""``supcon recipes``: what ships, and copies of it."""

from __future__ import annotations

from pathlib import Path

import click

from supcon_ext.cli.completion import complete_recipe
from supcon_ext.cli.group import user_input
from supcon_ext.cli.output import json_option, print_json, print_table


@click.group(
    invoke_without_command=True,
    epilog="""\b
$ supcon recipes copy quickstart mine.yaml
mine.yaml
$ supcon run mine.yaml""",
)
@json_option
@click.pass_context
def recipes(context: click.Context, as_json: bool) -> None:
    """List the recipes and sweeps that ship."""
    if context.invoked_subcommand is not None:
        return
    from supcon_ext.recipe.library import list_recipes

    found = list_recipes()
    if as_json:
        print_json(
            [
                {
                    "name": info.name,
                    "kind": "sweep" if info.is_sweep else "recipe",
                    "title": info.title,
                    "description": info.description,
                    "cost": info.cost,
                    "result": info.result,
                    "path": str(info.path),
                }
                for info in found
            ]
        )
        return
    rows = [
        (
            info.name,
            "sweep" if info.is_sweep else "recipe",
            info.cost or "-",
            info.description or info.title,
            info.result or "not measured",
        )
        for info in found
    ]
    print_table(("NAME", "KIND", "COST", "WHAT", "RESULT"), rows)
    click.echo(
        "\nRun one: supcon run NAME   See it: supcon show NAME   Edit it: supcon recipes copy NAME",
        err=True,
    )


@recipes.command()
@click.argument("name", shell_complete=complete_recipe)
@click.argument("dest", required=False, type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite a file that exists.")
def copy(name: str, dest: Path | None, force: bool) -> None:
    """Copy a shipped recipe to DEST (default: the working directory) to edit it."""
    from supcon_ext.recipe.library import copy_recipe

    with user_input():
        click.echo(str(copy_recipe(name, dest, force)))
