"""Options that several commands have."""

import click

plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="MODULE",
    help="Module to import first, as a recipe's `plugins`. Repeatable.",
)
