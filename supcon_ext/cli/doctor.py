"""``supcon doctor``: whether this machine is ready."""

from __future__ import annotations

import dataclasses

import click

from supcon_ext.cli.group import FAILED
from supcon_ext.cli.output import console, json_option, print_json


@click.command()
@click.option(
    "--uri", help="MLflow tracking URI to try; default: that of a recipe which names none."
)
@json_option
@click.pass_context
def doctor(context: click.Context, uri: str | None, as_json: bool) -> None:
    """Check Python, torch, CUDA, albumentations, MLflow and the disk."""
    from supcon_ext.doctor import CHECKS, examine

    output = console()
    styles = {"ok": "green", "note": "yellow", "wrong": "red"}
    told = []
    for number, check in enumerate(CHECKS, 1):
        finding = examine(check, uri)
        told.append({"check": check.title, **dataclasses.asdict(finding)})
        if as_json:
            continue
        output.print(f"{number}/{len(CHECKS)} {check.title:<15}", end=" ", markup=False)
        output.print(f"{finding.status:<6}", style=styles[finding.status], end=" ")
        output.print(finding.detail, markup=False)
        if finding.advice:
            output.print(f"    Try: {finding.advice}", markup=False)
    if as_json:
        print_json(told)
    wrong = sum(each["status"] == "wrong" for each in told)
    if wrong:
        click.echo(f"{wrong} of {len(CHECKS)} checks found something wrong.", err=True)
        context.exit(FAILED)
