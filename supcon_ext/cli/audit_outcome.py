"""What ``supcon audit`` prints when it is done."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from data_tools.printable import printable
from supcon_ext.cli.group import WrongInputError

if TYPE_CHECKING:
    from supcon_ext.audit import AuditResult
    from supcon_ext.audit.class_sizes import ClassSize
    from supcon_ext.audit.correct import Corrections

SHOWN = 10


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
    _warn_of_classes(result)
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
    if changed := [each for each in result.sizes if each.after != each.before]:
        click.echo(f"class sizes: {_sizes(changed)}")
    made = result.corrections
    command = shlex.join(["supcon", "run", str(recipe_of(folder)), *made.overrides])
    click.echo(f"next: {command}")


def ask(halved: Sequence[ClassSize]) -> None:
    """Ask whether classes may lose half of their samples or more.

    Raises:
        WrongInputError: They may not, or nobody is there to be asked.
    """
    told = _sizes(halved)
    if not sys.stdin.isatty():
        raise WrongInputError(
            f"Expected to be told that corrections may halve a class, but nobody is there to be "
            f"asked: {told}. Nothing was corrected. Try: --yes, a larger --min-confidence, or "
            "--decisions"
        )
    if not click.confirm(f"Corrections would halve {told}. Write them?", err=True):
        raise WrongInputError("Nothing was corrected.")


def _sizes(sizes: Sequence[ClassSize]) -> str:
    shown = [f"{printable(each.name)} {each.before:,} -> {each.after:,}" for each in sizes[:SHOWN]]
    more = len(sizes) - SHOWN
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


def _warn_of_classes(result: AuditResult) -> None:
    from supcon_ext.audit.class_sizes import FEWEST

    doubtful = [each for each in result.sizes if each.in_doubt and each.flagged]
    if not doubtful:
        return
    told = [f"{printable(each.name)} {each.flagged:,} of {each.before:,}" for each in doubtful]
    more = f" and {len(told) - SHOWN:,} more" if len(told) > SHOWN else ""
    click.echo(
        f"warning: of these classes more than half of the labels look wrong, or fewer than "
        f"{FEWEST} look right, so that the classes themselves are in doubt: "
        f"{', '.join(told[:SHOWN])}{more}. Try: look at them on the page before --apply",
        err=True,
    )


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
