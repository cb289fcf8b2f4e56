"""What ``supcon audit`` prints when it is done."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from supcon_ext.audit import AuditResult
    from supcon_ext.audit.correct import Corrections


def recipe_of(folder: Path) -> Path:
    """The recipe of a run, by its folder."""
    return folder / "recipe.yaml"


def tell(result: AuditResult, folder: Path, min_confidence: float | None) -> None:
    """Print what an audit found, where it is, and what comes next.

    Args:
        result: The audit.
        folder: The run's.
        min_confidence: Least confidence of the suggestions that were taken; None took none.
    """
    share = result.flagged / result.count
    if share > 0.5:
        click.echo(
            f"warning: neighbours contradict {share:.0%} of the labels. Either most are wrong, or "
            "the network has not learnt what tells the classes apart.",
            err=True,
        )
    told = f"{result.flagged:,} of {result.count:,} labels look wrong ({share:.1%})"
    click.echo(f"{told}; see {result.page} and {result.csv}")
    if also := _listed_too(result):
        click.echo(f"listed too: {also}")
    if result.left_out:
        click.echo(f"left out: {', '.join(result.left_out)}")
    if result.corrections is None:
        if result.flagged:
            again = shlex.join(["supcon", "audit", str(folder), "--apply", "corrected.csv"])
            click.echo(f"next: look at the page, then {again}")
        return
    _tell_corrections(result, result.corrections, min_confidence)
    made = result.corrections
    command = shlex.join(["supcon", "run", str(recipe_of(folder)), *made.overrides])
    click.echo(f"next: {command}")


def _listed_too(result: AuditResult) -> str:
    from supcon_ext.audit.findings import DUPLICATES, OUTLIERS

    alike, folder = result.findings.alike, result.csv.parent
    across = sum(found.across for found in alike)
    differing = sum(found.label_differs for found in alike)
    told = []
    if alike:
        told.append(
            f"{len(alike):,} group{_s(alike)} of duplicates ({across:,} across splits, "
            f"{differing:,} with different labels) in {folder / DUPLICATES}"
        )
    if outliers := result.findings.outliers:
        told.append(f"{len(outliers):,} outlier{_s(outliers)} in {folder / OUTLIERS}")
    return "; ".join(told)


def _s(several: Sequence[object]) -> str:
    return "" if len(several) == 1 else "s"


def _tell_corrections(result: AuditResult, made: Corrections, min_confidence: float | None) -> None:
    settled, decisions = made.settled, result.table.decisions
    if decisions is not None:
        click.echo(
            f"people decided on {int((decisions.what != '').sum()):,}: {settled.relabelled:,} "
            f"relabelled, {settled.kept:,} kept, {int(settled.unusable.sum()):,} unusable and left "
            "out"
        )
    if min_confidence is None:
        click.echo(f"{made.changed:,} labels are corrected in {made.path}")
        return
    suggested = made.changed if decisions is None else int(settled.suggested.sum())
    click.echo(
        f"{suggested:,} labels with a suggestion of confidence {min_confidence:g} or more are "
        f"corrected in {made.path}"
    )
    if tested := int(settled.suggested[result.table.samples.voters :].sum()):
        click.echo(
            f"warning: {tested:,} of them are test labels that nobody looked at; a test on labels "
            "that a network chose flatters the like of it. Try: --split train --split validation",
            err=True,
        )
