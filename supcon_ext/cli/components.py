"""``supcon components`` and ``supcon schema``: what a recipe may name."""

from __future__ import annotations

import dataclasses
import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from data_tools.whole_file import write_whole
from supcon_ext.cli.group import user_input
from supcon_ext.cli.options import plugin_option
from supcon_ext.cli.output import console, json_option, print_json, print_table

if TYPE_CHECKING:
    from supcon_ext.recipe.components import Parameter


@click.command()
@click.argument("family", required=False)
@plugin_option
@json_option
@click.option("--markdown", is_flag=True, help="Print a table of names in Markdown.")
def components(family: str | None, as_json: bool, markdown: bool) -> None:
    """List every data set, noise model, selector, ... with its parameters.

    FAMILY lists one family alone.
    """
    from supcon_ext.recipe.components import list_components, markdown_table

    with user_input():
        found = list_components(family)
    if as_json:
        print_json([dataclasses.asdict(component) for component in found])
        return
    if markdown:
        click.echo(markdown_table(found), nl=False)
        return
    output = console()
    for number, (name, members) in enumerate(groupby(found, key=lambda each: each.family)):
        output.print(f"\n{name}" if number else name, style="bold")
        for component in members:
            output.print(f"  {component.name}", style="cyan", end="  ")
            output.print(component.summary, markup=False)
            if component.parameters:
                print_table(("", "", "", ""), map(_cells, component.parameters), indent=6)


def _cells(parameter: Parameter) -> tuple[str, str, str, str]:
    default = "required" if parameter.required else json.dumps(parameter.default)
    return parameter.name, parameter.kind, default, parameter.note


@click.command(
    epilog="""\b
The first line of a recipe tells an editor where the schema is:
# yaml-language-server: $schema=recipe.schema.json"""
)
@click.option(
    "--write",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write; default: stdout.",
)
@plugin_option
def schema(write: Path | None) -> None:
    """Print the JSON Schema of recipes, for editors."""
    from supcon_ext.recipe.editor import json_schema

    made = json_schema()
    if write is None:
        print_json(made)
        return
    with user_input():
        write_whole(write, json.dumps(made, indent=2) + "\n")
    click.echo(str(write))
