"""Options that several commands have."""

from __future__ import annotations

import sys

import click

from supcon_ext.cli.group import user_input


def _import(context: click.Context, parameter: click.Parameter, names: tuple[str, ...]) -> None:
    """Import plug-ins before anything is looked up, and say which file each is."""
    if not names:
        return
    from supcon_ext.recipe.families import import_plugin

    with user_input():
        for name in names:
            import_plugin(name)
            place = getattr(sys.modules[name], "__file__", None) or "no file"
            click.echo(f"plug-in {name}: {place}", err=True)


plugin_option = click.option(
    "--plugin",
    multiple=True,
    metavar="MODULE",
    help="Module to import first, whose parts can be named; as a recipe's `plugins`. Repeatable.",
    callback=_import,
    expose_value=False,
)
"""For every command that takes parts by name, without a recipe that says its plug-ins itself."""

workers_option = click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Processes that read pictures; the numbers do not depend on it.",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="What it is computed on.",
)


def value_of(text: str) -> object:
    """A name, or a mapping written as in a recipe."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise click.BadParameter(f"{text} is neither a name nor a mapping") from error
