"""What ``supcon audit`` prints when it is done."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    """Print what an audit found, where it is, and what comes next; its warnings are told apart.

    Args:
        result: The audit.
        folder: The run's.
        min_confidence: Least confidence of the suggestions that were taken; None took none.
    """
    told = f"{result.flagged:,} of {result.count:,} labels look wrong ({result.share:.1%})"
    click.echo(f"{told}; see {result.page} and {result.csv}")
    if also := _listed_too(result):
        click.echo(f"listed too: {also}")
    if result.rules:
        from supcon_ext.selectors.named_rules import told_rules

        click.echo(told_rules(result.rules))
    if result.left_out:
        click.echo(f"left out: {', '.join(result.left_out)}")
    if result.corrections is not None:
        _tell_corrections(result, result.corrections, min_confidence)
        if changed := [each for each in result.sizes if each.after != each.before]:
            click.echo(f"class sizes: {_sizes(changed)}")
    if following := _next(result, folder):
        first = "look at the page, then " if result.corrections is None else ""
        click.echo(f"next: {first}{shlex.join(following)}")


def warnings_of(result: AuditResult) -> list[str]:
    """What is to be minded of an audit, a line each."""
    told = []
    if result.share > 0.5:
        told.append(
            f"neighbours contradict {result.share:.0%} of the labels. Either most are wrong, or "
            "the network has not learnt what tells the classes apart."
        )
    if line := _doubtful_classes(result):
        told.append(line)
    if result.corrections is not None and (tested := result.corrections.tested):
        told.append(
            f"{tested:,} of the suggestions taken are of test labels that nobody looked at; a test "
            "on labels that a network chose flatters the like of it. "
            "Try: --split train --split validation"
        )
    return told


def as_plain(result: AuditResult, folder: Path, min_confidence: float | None) -> dict[str, Any]:
    """What :func:`tell` prints and the warnings, for programs.

    Args:
        result: The audit.
        folder: The run's.
        min_confidence: Least confidence of the suggestions that were taken; None took none.
    """
    from supcon_ext.audit.findings import DUPLICATES, OUTLIERS

    alike, outliers = result.findings.alike, result.findings.outliers
    made, place = result.corrections, result.csv.parent
    decisions = result.table.decisions
    return {
        "run": folder,
        "labels": result.count,
        "flagged": result.flagged,
        "page": result.page,
        "csv": result.csv,
        "duplicates": {
            "groups": len(alike),
            "across_splits": sum(found.across for found in alike),
            "with_different_labels": sum(found.label_differs for found in alike),
            "csv": place / DUPLICATES,
        },
        "outliers": {"samples": len(outliers), "csv": place / OUTLIERS},
        "left_out": result.left_out,
        "rules": [dataclasses.asdict(each) for each in result.rules],
        "decided": None if decisions is None else decisions.count,
        "warnings": warnings_of(result),
        "classes": [
            {**dataclasses.asdict(each), "in_doubt": each.in_doubt} for each in result.sizes
        ],
        "corrections": None if made is None else _plain_corrections(made, min_confidence),
        "next": _next(result, folder),
    }


def _plain_corrections(made: Corrections, min_confidence: float | None) -> dict[str, Any]:
    settled = made.settled
    return {
        "path": made.path,
        "changed": made.changed,
        "min_confidence": min_confidence,
        "suggested": made.suggested,
        "suggested_in_test": made.tested,
        "relabelled": settled.relabelled,
        "kept": settled.kept,
        "unusable": int(settled.unusable.sum()),
    }


def _next(result: AuditResult, folder: Path) -> list[str]:
    """The command that comes next; none where nothing looks wrong."""
    if result.corrections is not None:
        return ["supcon", "run", str(recipe_of(folder)), *result.corrections.overrides]
    apply = ["--apply", "corrected.csv"]
    return ["supcon", "audit", str(folder), *apply] if result.flagged else []


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


def _doubtful_classes(result: AuditResult) -> str:
    from supcon_ext.audit.class_sizes import FEWEST

    doubtful = [each for each in result.sizes if each.in_doubt and each.flagged]
    if not doubtful:
        return ""
    told = [f"{printable(each.name)} {each.flagged:,} of {each.before:,}" for each in doubtful]
    more = f" and {len(told) - SHOWN:,} more" if len(told) > SHOWN else ""
    return (
        f"of these classes more than half of the labels look wrong, or fewer than {FEWEST} look "
        f"right, so that the classes themselves are in doubt: {', '.join(told[:SHOWN])}{more}. "
        "Try: look at them on the page before --apply"
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
            f"people decided on {decisions.count:,}: {settled.relabelled:,} "
            f"relabelled, {settled.kept:,} kept, {int(settled.unusable.sum()):,} unusable and left "
            "out"
        )
    if min_confidence is None:
        click.echo(f"{made.changed:,} labels are corrected in {made.path}")
        return
    click.echo(
        f"{made.suggested:,} labels with a suggestion of confidence {min_confidence:g} or more are "
        f"corrected in {made.path}"
    )
