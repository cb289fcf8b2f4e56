"""``supcon audit``: which labels look wrong."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supcon_ext.cli.audit_outcome import as_plain, ask, recipe_of, tell, warnings_of
from supcon_ext.cli.group import WrongInputError, user_input
from supcon_ext.cli.options import splits_option
from supcon_ext.cli.output import json_option, print_json

if TYPE_CHECKING:
    from supcon_ext.recipe.schema import Recipe

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(
    epilog="""\b
$ supcon audit selcl/folder data.dataset.root=my_images
$ supcon audit runs/selcl-folder-4f1c9a-s0 --apply corrected.csv --min-confidence 0.9"""
)
@click.argument("subject", metavar="RECIPE|RUN")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for labels.csv and index.html; default: audit/ in the run's folder.",
)
@splits_option("List")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    help="Show so many of the most suspicious labels on the page; default: all that look wrong.",
)
@click.option(
    "--neighbours",
    type=click.IntRange(min=1),
    default=250,
    show_default=True,
    help="Nearest neighbours that vote, at most; never more than half the size of a class.",
)
@click.option(
    "--scores",
    type=_FILE,
    help="CSV or NPZ with index and score in [0, 1], the larger the more believed (cleanlab's "
    "label quality): orders the labels in place of the votes.",
)
@click.option(
    "--decisions",
    "decided",
    type=_FILE,
    help="What people decided on the page, as it exported it: what they kept is not listed again, "
    "and --apply takes it all.",
)
@click.option("--apply", type=_FILE, help="File to write corrected labels to: a manifest, .csv.")
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    help="Least confidence of a suggestion that --apply takes; default: 0.8, and with --decisions "
    "none is taken.",
)
@click.option("--force", is_flag=True, help="Let --apply overwrite a file that exists.")
@click.option("--yes", is_flag=True, help="Let --apply halve a class without asking.")
@json_option
def audit(
    subject: str,
    overrides: tuple[str, ...],
    out: Path | None,
    splits: tuple[str, ...],
    top: int | None,
    neighbours: int,
    scores: Path | None,
    decided: Path | None,
    apply: Path | None,
    min_confidence: float | None,
    force: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """List the labels that look wrong, with what they might be, and a page to look at them.

    RUN is a finished run, whose network is used as it is: its folder, its name under runs/, or the
    beginning of the name. RECIPE, a file or the name of one that ships, is run first, unless it has
    been run already; KEY=VALUE sets any of its keys. A whole name goes before the beginning of one.

    A label is doubted if the nearest neighbours of its image and a linear head that has not seen it
    speak for another class. Only images and given labels are looked at. Those of the test are
    listed too, by what images of training and validation say, and have no say themselves.

    On the page labels are accepted, kept or changed by key, and what was decided is exported as a
    file, which --decisions takes.
    """
    from supcon_ext.audit.correct import check_places, check_target
    from supcon_ext.audit.coverage import SPLITS, check_splits
    from supcon_ext.audit.decisions import read_decisions, read_entries
    from supcon_ext.recipe.load import load_recipe

    with user_input():
        folder = _find_finished(subject, overrides)
        if folder is None:
            recipe = _load(subject, overrides)
            folder = _run_before(recipe)
        else:
            recipe = load_recipe(recipe_of(folder))
        if apply is not None:
            check_target(apply, recipe, force)
        if scores is not None:
            from supcon_ext.selectors.offline_scores import read_scores

            read_scores(scores)
        if decided is not None:
            read_entries(decided)
    if folder is None:
        from supcon_ext import experiment

        folder = experiment.run(recipe).folder
    from supcon_ext.audit import AuditedSamples
    from supcon_ext.audit import audit as audit_run
    from supcon_ext.audit.audit import MIN_CONFIDENCE
    from supcon_ext.audit.outside_scores import outside_scores
    from supcon_ext.experiment.open import open_run
    from supcon_ext.progress.console import ConsoleProgress

    if min_confidence is None and decided is None:
        min_confidence = MIN_CONFIDENCE
    with ConsoleProgress() as progress:
        with user_input():
            opened = open_run(folder)
            samples = AuditedSamples.of(opened.data)
            check_splits(samples, splits or SPLITS)
            outside = None if scores is None else outside_scores(scores, samples)
            decisions = None if decided is None else read_decisions(decided, samples)
            if apply is not None:
                check_places(apply, samples)
        result = audit_run(
            opened,
            progress,
            out=out,
            splits=splits or SPLITS,
            top=top,
            neighbours=neighbours,
            scores=outside,
            decisions=decisions,
            apply=apply,
            min_confidence=min_confidence,
            allow=(lambda halved: None) if yes else ask,
        )
    for line in warnings_of(result):
        click.echo(f"warning: {line}", err=True)
    if as_json:
        print_json(as_plain(result, folder, min_confidence))
    else:
        tell(result, folder, min_confidence)


def _find_finished(subject: str, overrides: tuple[str, ...]) -> Path | None:
    """The folder of a finished run; None where the subject is a recipe.

    Raises:
        ValueError: It is neither, or several, or a run that is not finished or is given keys to
            change.
    """
    from supcon_ext.experiment.folder import run_meanings
    from supcon_ext.meanings import one_meaning
    from supcon_ext.recipe.library import recipe_meanings
    from supcon_ext.tracking.results import read_results

    runs, recipes = run_meanings(subject), recipe_meanings(subject)
    found = one_meaning(subject, [*runs, *recipes], partial(click.echo, err=True))
    if found is None:
        raise ValueError(_neither(subject))
    if found in recipes:
        return None
    folder = found.value
    if overrides:
        raise ValueError(
            f"Expected no KEY=VALUE beside a run, whose recipe is settled, but got "
            f"{overrides[0]}. Try: supcon audit {recipe_of(folder)} {overrides[0]}"
        )
    read_results(folder)
    return folder


def _run_before(recipe: Recipe) -> Path | None:
    """The newest finished run of the same recipe, seed and code: it would give the same network."""
    from supcon_ext.experiment.fingerprint import made_by_this_code
    from supcon_ext.recipe.resolved import recipe_hash
    from supcon_ext.tracking.results import RESULTS_NAME, read_results

    root, digest = Path(recipe.tracking.folder), recipe_hash(recipe)
    found = sorted(
        root.glob(f"*-{digest[:6]}-s{recipe.seed}*/{RESULTS_NAME}"), key=os.path.getmtime
    )
    same = [
        file
        for file in found
        if read_results(file.parent).get("recipe_hash") == digest
        and made_by_this_code(file.parent, recipe)
    ]
    if not same:
        return None
    click.echo(f"This recipe has been run already: auditing {same[-1].parent}.", err=True)
    return same[-1].parent


def _neither(subject: str) -> str:
    from supcon_ext.experiment.folder import find_run
    from supcon_ext.recipe.library import find_recipe

    if Path(subject).is_dir():
        return (
            f"Expected a recipe or a run, but {subject} is a folder of neither. "
            f"Try: supcon audit selcl/folder data.dataset.root={subject}"
        )
    told = []
    for find in (find_run, find_recipe):
        try:
            find(subject)
        except ValueError as error:
            told.append(str(error))
    return "\nNor is it a recipe: ".join(told)


def _load(subject: str, overrides: tuple[str, ...]) -> Recipe:
    from supcon_ext.recipe.library import find_recipe, is_sweep
    from supcon_ext.recipe.load import load_recipe

    path = find_recipe(subject)
    if is_sweep(path):
        raise ValueError(
            f"Expected a recipe or a run, but {subject} is a sweep. "
            f"Try: supcon sweep {subject}, then supcon audit RUN"
        )
    recipe = load_recipe(path, overrides)
    compute = recipe.compute
    if compute.devices != 1 or compute.nodes > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise WrongInputError(
            "Expected a recipe for one device, since the audit after the run works on one, but got "
            f"more. Try: supcon run {subject}, then supcon audit RUN"
        )
    return recipe
