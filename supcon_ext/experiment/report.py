"""What a run leaves behind: its description at the start, its measures and files at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch

from data_tools.csv_cell import csv_cell
from data_tools.prepared import PreparedData
from data_tools.summary import imbalance_factor
from data_tools.whole_file import write_whole
from supcon_ext.evaluation import figures
from supcon_ext.evaluation.base import Report
from supcon_ext.experiment.fingerprint import Record
from supcon_ext.experiment.folder import FINGERPRINT, RECIPE
from supcon_ext.experiment.last_validations import last_validations
from supcon_ext.experiment.manifest import write_manifest
from supcon_ext.experiment.measure import reports_of
from supcon_ext.experiment.model_files import PredictingParts, write_model
from supcon_ext.experiment.preparation import Prepared
from supcon_ext.experiment.selection_watch import SelectionWatch
from supcon_ext.models.lora import merged
from supcon_ext.recipe.resolved import leaves, recipe_hash, resolve
from supcon_ext.recipe.schema import Recipe
from supcon_ext.tracking import AnyTracker
from supcon_ext.tracking.encoder_file import export_encoder
from supcon_ext.tracking.results import read_metrics, results_text, write_results
from supcon_ext.tracking.run_info import run_info

LABELS = "labels.npz"
ENCODER_TAGS = ("encoder", "weights", "policy", "views", "size", "fingerprint")
"""What tags say of a file of vectors; the results have all that it says of itself."""


def record_start(
    folder: Path, recipe: Recipe, made: Prepared, record: Record, tracker: AnyTracker
) -> None:
    """Say what is run: tags, settings, environment, labels and data sets."""
    base = {"recipe": recipe.name, "recipe_hash": recipe_hash(recipe), "seed": str(recipe.seed)}
    tracker.tags({**base, **record.tags})
    tracker.params(leaves(resolve(recipe)))
    tracker.tags({f"env.{name}": str(value) for name, value in run_info().items()})
    tracker.tags(_first_weights(made))
    for name in (RECIPE, FINGERPRINT, LABELS):
        tracker.artifact(folder / name)
    data = made.data
    told = data.describe()
    tags = {
        name: str(told[name])
        for name in ("noise_rate", "imbalance_factor", "shot_rule", "classes")
        if told[name] is not None
    }
    made_by = data.labels.settings["made"].get("made_by", {})
    tracker.tags(
        {f"made_by.{name}": str(made_by[name]) for name in ENCODER_TAGS if name in made_by}
    )
    kind = recipe.data.dataset.kind
    for split in ("train", "validation", "test"):
        if told[split]:
            described = {**tags, "samples": str(told[split])}
            tracker.dataset(kind, data.fingerprint, split, described)


def _first_weights(made: Prepared) -> dict[str, str]:
    """Where the encoder's first weights come from, and the images that it sees with them."""
    first, context = made.trainer.network.backbone.first_weights, made.context
    if first is None:
        return {}
    tags = {"weights": first.source, "weights.sha256": first.sha256, "weights.fit": first.fit}
    for name in ("size", "mean", "std"):
        tags[f"input.{name}"] = str(getattr(context, name))
    return {name: value for name, value in tags.items() if value}


@dataclass(frozen=True, eq=False)
class Measured:
    """What was found of a trained network.

    Attributes:
        results: What ``results.json`` will hold.
        reports: The last epoch's, on the test set.
        parts: What predicts classes with the last epoch's network.
    """

    results: dict[str, Any]
    reports: Mapping[str, Report]
    parts: PredictingParts


def measure(recipe: Recipe, made: Prepared) -> Measured:
    """Open the test set, once for the last epoch and once for the best on validation."""
    trainer, measurer, evaluators = made.trainer, made.measurer, made.evaluators
    groups = measurer.groups
    seen = measurer.input(trainer.network, test=True)
    last = reports_of(seen, evaluators)
    parts = PredictingParts.of(seen, measurer.classifies)
    del seen
    results: dict[str, Any] = {
        "name": recipe.name,
        "seed": recipe.seed,
        "recipe_hash": recipe_hash(recipe),
        "fingerprint": measurer.data.fingerprint,
        "epochs": trainer.at.epochs_done,
        "steps": trainer.at.global_step,
        "headline": next(iter(evaluators), None),
        "shot_groups": {**groups.sizes(), "rule": groups.rule},
        "imbalance_factor": imbalance_of_splits(measurer.data),
        "last": {split: _metrics(reports) for split, reports in last.items()},
    }
    if made_by := measurer.data.labels.settings["made"].get("made_by"):
        results["made_by"] = made_by
    if measurer.data.synthetic is not None:
        results["synthetic"] = measurer.data.synthetic.describe()
    if trainer.best is not None:
        kept = {k: v.clone() for k, v in trainer.network.state_dict().items()}
        trainer.network.load_state_dict(trainer.best["network"])
        found = reports_of(measurer.input(trainer.network, test=True), evaluators)
        trainer.network.load_state_dict(kept)
        results["best"] = {split: _metrics(reports) for split, reports in found.items()}
        results["best_epoch"] = trainer.best["epoch"]
    return Measured(results, last.get("test", {}), parts)


def imbalance_of_splits(data: PreparedData) -> dict[str, float | None]:
    """Largest class over smallest of each split, None with an empty class.

    Of the training split by given labels and, where they are known, by true ones.
    """
    counts = {"train": data.counts}
    if data.clean_counts is not None:
        counts["train_true"] = data.clean_counts
    if data.test is not None:
        counts["test"] = np.bincount(data.test.label, minlength=len(data.test.classes))
    return {name: imbalance_factor(each) for name, each in counts.items()}


def record_end(
    folder: Path,
    recipe: Recipe,
    made: Prepared,
    tracker: AnyTracker,
    measured: Measured,
    watch: SelectionWatch,
) -> None:
    """Write and record everything that a finished run has; its results last of all."""
    results, reports = measured.results, measured.reports
    trainer, context = made.trainer, made.context
    step = trainer.at.global_step
    for chosen in ("last", "best"):
        for split, by_evaluator in results.get(chosen, {}).items():
            place = "test" if (chosen, split) == ("last", "test") else f"{chosen}/{split}"
            for name, metrics in by_evaluator.items():
                tracker.metrics({f"{place}/{name}/{k}": v for k, v in metrics.items()}, step)
    drawn = [*_draw(folder, reports), *watch.draw()]
    for path in drawn:
        tracker.artifact(path, "figures")
    tables = [*write_tables(folder, reports), *watch.write_tables()]
    for path in tables:
        tracker.artifact(path, "tables")
    encoder = merged(trainer.network.backbone)
    weights = {k: v.detach().cpu().contiguous() for k, v in encoder.state_dict().items()}
    plain = folder / "encoder.safetensors"
    write_whole(plain, safetensors.torch.save(weights, {"recipe": recipe.name}))
    tracker.artifact(plain)
    exported = export_encoder(encoder, context.shape, folder / "encoder.pt2")
    classes, counts = made.data.train.classes, made.data.counts.tolist()
    model = write_model(folder, recipe, classes, counts, context, trainer.network, measured.parts)
    for path in model:
        tracker.artifact(path)
    tracker.model(exported, step=step, files=model)
    results["validation_last10"] = last_validations(read_metrics(folder))
    files = [*drawn, *tables, plain, exported.path, *model, folder / LABELS]
    write_manifest(folder, files, results_text(results))
    tracker.artifact(write_results(folder, results))


def draw_reports(folder: Path, reports: Mapping[str, Report]) -> list[Path]:
    """Draw the figures of reports below a folder; the files."""
    place = folder / "figures"
    place.mkdir(exist_ok=True)
    drawn = []
    for name, report in reports.items():
        for figure, draw in report.figures.items():
            drawn.append(place / f"{name}_{figure}.png")
            draw(drawn[-1])
    return drawn


def _draw(folder: Path, reports: Mapping[str, Report]) -> list[Path]:
    drawn, place = draw_reports(folder, reports), folder / "figures"
    curves = read_metrics(folder)
    for group in ("train", "validation"):
        for number in ("loss", "accuracy"):
            series = {
                key.removeprefix(f"{group}/"): ([s for s, _ in points], [v for _, v in points])
                for key, points in curves.items()
                if key.startswith(f"{group}/") and key.endswith(number) and len(points) > 1
            }
            if series:
                drawn.append(place / f"{group}_{number}.png")
                figures.lines(drawn[-1], series, group, "step", number)
    return drawn


def write_tables(folder: Path, reports: Mapping[str, Report]) -> list[Path]:
    """Write the tables of reports below a folder; the files."""
    import pandas

    place = folder / "tables"
    place.mkdir(exist_ok=True)
    written = []
    for name, report in reports.items():
        for table, rows in report.tables.items():
            written.append(place / f"{name}_{table}.csv")
            write_whole(written[-1], pandas.DataFrame(rows).map(csv_cell).to_csv(index=False))
    return written


def _metrics(reports: Mapping[str, Report]) -> dict[str, dict[str, float]]:
    return {name: dict(report.metrics) for name, report in reports.items()}
