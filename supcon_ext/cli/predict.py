"""``supcon predict``: the classes of new samples."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import click

from supcon_ext.cli.completion import complete_run
from supcon_ext.cli.options import (
    BATCH,
    SAME_BATCH,
    batch_option,
    device_option,
    force_option,
    out_option,
    overrides_argument,
    skip_bad_option,
    splits_option,
    workers_option,
)
from supcon_ext.cli.output import json_option, print_json

SHOWN = 5


@click.command(
    epilog="""\b
$ supcon predict runs/selcl-folder-4f1c9a-s0 new_images -o classes.csv
$ supcon predict models:/digits/3 list.csv -o classes.parquet --skip-bad"""
)
@click.argument("run", shell_complete=complete_run)
@click.argument("data")
@overrides_argument
@out_option("File to write: .csv, .jsonl or .parquet.")
@splits_option("Predict")
@skip_bad_option
@batch_option(BATCH, SAME_BATCH)
@workers_option
@device_option
@force_option
@json_option
def predict(
    run: str,
    data: str,
    overrides: tuple[str, ...],
    out: Path,
    splits: tuple[str, ...],
    skip_bad: bool,
    batch: int,
    workers: int,
    device: str,
    force: bool,
    as_json: bool,
) -> None:
    """Write the class of each sample, how probable it is, and how far its neighbours are.

    RUN is a finished run, by its folder, its name under runs/, or the beginning of the name; or an
    address in MLflow: runs:/ID, models:/NAME/3.

    DATA is a folder of pictures; a table with a column path; for a run on vectors a file of them; a
    recipe by file or name, whose keys KEY=VALUE sets; a data set by name or as {kind: NAME,
    parameter: value}; or a finished run. It is taken before noise and imbalance.

    The columns are path, class, probability, and distance: the mean cosine distance to the five
    nearest training samples of that class. The run's model.json says what is usual of each class.
    A run without a trained classifier predicts by what it was measured with first, linear_probe or
    knn.
    """
    from data_tools.printable import printable
    from supcon_ext.experiment.given_samples import SPLITS
    from supcon_ext.progress.console import ConsoleProgress
    from supcon_ext.use.predict import predict_file

    began = time.perf_counter()
    with ConsoleProgress() as progress:
        made = predict_file(
            run,
            data,
            out,
            overrides=overrides,
            splits=splits or SPLITS,
            skip_bad=skip_bad,
            batch=batch,
            workers=workers,
            device=device,
            force=force,
            tell=progress.note,
        )
    if as_json:
        print_json(dataclasses.asdict(made))
        return
    left_out = f", {made.left_out:,} pictures left out" if made.left_out else ""
    click.echo(
        f"wrote {out}: {made.count:,} rows, in {time.perf_counter() - began:.1f} s{left_out}"
    )
    shown = [f"{printable(name)} {count:,}" for name, count in [*made.classes.items()][:SHOWN]]
    more = len(made.classes) - SHOWN
    click.echo(f"classes {', '.join(shown)}{f' and {more} more' if more > 0 else ''}")
