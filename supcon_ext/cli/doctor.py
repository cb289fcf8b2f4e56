"""``supcon doctor``: whether this machine is ready."""

from __future__ import annotations

import click

from supcon_ext.cli.group import FAILED
from supcon_ext.cli.output import console


@click.command()
@click.option(
    "--uri", help="MLflow tracking URI to try; default: that of a recipe which names none."
)
@click.pass_context
def doctor(context: click.Context, uri: str | None) -> None:
    """Check Python, torch, CUDA, albumentations, MLflow and the disk."""
    from supcon_ext.doctor import CHECKS, examine

    output = console()
    styles = {"ok": "green", "note": "yellow", "wrong": "red"}
    wrong = 0
    for number, check in enumerate(CHECKS, 1):
        finding = examine(check, uri)
        output.print(f"{number}/{len(CHECKS)} {check.title:<15}", end=" ", markup=False)
        output.print(f"{finding.status:<6}", style=styles[finding.status], end=" ")
        output.print(finding.detail, markup=False)
        if finding.advice:
            output.print(f"    Try: {finding.advice}", markup=False)
        wrong += finding.status == "wrong"
    if wrong:
        click.echo(f"{wrong} of {len(CHECKS)} checks found something wrong.", err=True)
        context.exit(FAILED)
