"""Options that several commands have."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from supcon_ext.cli.group import user_input

BATCH = 512
SAME_BATCH = "; 512 as in the run's own evaluation"
DATA = (
    "a folder of pictures, a table of them, a file of vectors, a recipe by file or name, a data "
    "set by name or as {kind: NAME, parameter: value}, or a finished run"
)
"""What can be named as data, for the help; see :mod:`supcon_ext.experiment.named_data`."""

overrides_argument = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
"""Keys of a recipe that is named as data."""

F = TypeVar("F", bound=Callable[..., Any])


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

skip_bad_option = click.option(
    "--skip-bad", is_flag=True, help="Leave image files out that cannot be read."
)
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
force_option = click.option("--force", is_flag=True, help="Replace a file that exists.")


def splits_option(does: str) -> Callable[[F], F]:
    """Which splits of the data are taken.

    Args:
        does: What is done to them, for the help.
    """
    return click.option(
        "--split",
        "splits",
        multiple=True,
        type=click.Choice(["train", "validation", "test"]),
        help=f"{does} this split alone. Repeatable.",
    )


def batch_option(default: int, why: str = "") -> Callable[[F], F]:
    """How many samples are computed at a time.

    Args:
        default: Where nothing is said.
        why: Further words of the help.
    """
    return click.option(
        "--batch",
        type=click.IntRange(min=1),
        default=default,
        show_default=True,
        help=f"Samples at a time{why}.",
    )


def out_option(help: str, *, folder: bool = False) -> Callable[[F], F]:
    """Where to write, which must be said.

    Args:
        help: What is written.
        folder: Whether it is a folder; else it is a file.
    """
    kind = click.Path(file_okay=not folder, dir_okay=folder, path_type=Path)
    return click.option("-o", "--out", type=kind, required=True, help=help)


def value_of(text: str) -> object:
    """A name, or a mapping written as in a recipe."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise click.BadParameter(f"{text} is neither a name nor a mapping") from error
