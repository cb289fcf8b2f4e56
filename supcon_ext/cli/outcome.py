"""What is printed when a run or a sweep is done: the table, where it is, and how to look at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click


def print_results(rows: Sequence[Mapping[str, object]], columns: Sequence[str], keys: int) -> None:
    """Print a table of results, whose first columns, so many, tell its rows apart."""
    from supcon_ext.progress.console import ConsoleProgress

    ConsoleProgress().results_table(rows, columns, keys=keys)


def print_place(what: str, folder: Path, tracking_uri: str | None) -> None:
    """Say where a run or a sweep is, and the command that opens MLflow on it."""
    from supcon_ext.tracking.store_uri import open_hint

    click.echo(f"{what:<7} {folder}")
    if tracking_uri is not None:
        click.echo(f"mlflow  {open_hint(tracking_uri)}")
