"""``supcon evaluate``: a run's encoder measured on other data."""

from __future__ import annotations

import dataclasses

import click

from supcon_ext.cli.completion import complete_run
from supcon_ext.cli.options import (
    BATCH,
    DATA,
    SAME_BATCH,
    batch_option,
    device_option,
    overrides_argument,
    plugin_option,
    skip_bad_option,
    value_of,
    workers_option,
)
from supcon_ext.cli.output import json_option, print_json


@click.command(
    epilog="""\b
$ supcon evaluate runs/selcl-folder-4f1c9a-s0 --data labelled_images
$ supcon evaluate selcl-folder-4f1c9a-s0 --data other.yaml --by knn --by linear_probe"""
)
@click.argument("run", shell_complete=complete_run)
@overrides_argument
@click.option(
    "--data",
    help=f"Data with labels: {DATA}. KEY=VALUE sets any key of a recipe. Default: the run's own.",
)
@click.option(
    "--by",
    multiple=True,
    metavar="EVALUATOR",
    help="A name, or {kind: NAME, parameter: value}; see `supcon components evaluator`. "
    "Repeatable. Default: classifier, linear_probe and knn.",
)
@click.option(
    "--test",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="FRACTION",
    help="Share of each class that is set aside to measure on, of data without a test split; "
    "default: 0.2, and none of a recipe's or a run's.",
)
@plugin_option
@skip_bad_option
@batch_option(BATCH, SAME_BATCH)
@workers_option
@device_option
@json_option
def evaluate(
    run: str,
    overrides: tuple[str, ...],
    data: str | None,
    by: tuple[str, ...],
    test: float | None,
    skip_bad: bool,
    batch: int,
    workers: int,
    device: str,
    as_json: bool,
) -> None:
    """Measure a finished run's encoder on other data, with its own classes or others.

    RUN is a run's folder, its name under runs/, or the beginning of the name.

    linear_probe and knn are fitted on the training split of the data, on features of the encoder as
    it is, and scored on the validation and the test split; data without a test split have a fifth
    of each class set aside, or --test FRACTION. classifier is what supcon predict says, where the
    classes are among the run's, also of data without a training split. fine_tune trains a copy of
    the encoder with a linear head there.

    Measures, tables and figures are added to the run's folder, below evaluations, and to its MLflow
    run if it has one.
    """
    from supcon_ext.cli.outcome import print_place, print_results
    from supcon_ext.progress.console import ConsoleProgress
    from supcon_ext.use.evaluate import KEYS, evaluate_run, evaluation_rows

    with ConsoleProgress() as progress:
        made = evaluate_run(
            run,
            data,
            overrides=overrides,
            test=test,
            by=[value_of(text) for text in by] or None,
            skip_bad=skip_bad,
            batch=batch,
            workers=workers,
            device=device,
            tell=progress.note,
        )
    if as_json:
        print_json(dataclasses.asdict(made))
        return
    rows = evaluation_rows(made.results)
    print_results(rows, list(dict.fromkeys(column for row in rows for column in row)), KEYS)
    print_place("found", made.folder, made.tracking_uri)
