"""A finished run's encoder measured on other data, as the run measured itself on its own."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic_core import PydanticCustomError
from torch import Tensor

from data_tools.prepared import PreparedData
from data_tools.printable import printable
from data_tools.registry import Spec, family
from data_tools.samples import SampleSet
from data_tools.shot_groups import ShotGroups
from data_tools.whole_file import whole_folder
from supcon_ext.evaluation.base import Embedded, EvaluationInput
from supcon_ext.evaluation.headline import headline, is_long_tailed
from supcon_ext.evaluation.tunable import Tunable
from supcon_ext.experiment.build import augmented_view, build_data, build_evaluators, build_groups
from supcon_ext.experiment.cannot_start import starting
from supcon_ext.experiment.folder import RECIPE, find_run
from supcon_ext.experiment.lock import lock
from supcon_ext.experiment.measure import EpochKey, reports_of
from supcon_ext.experiment.model_files import read_model
from supcon_ext.experiment.named_data import NamedData, named_data, no_overrides
from supcon_ext.experiment.preprocessing import Preprocessing, fitting_set
from supcon_ext.experiment.report import draw_reports, imbalance_of_splits, write_tables
from supcon_ext.progress.file_progress import FileProgress
from supcon_ext.recipe.load import load_recipe
from supcon_ext.tracking.results import read_results, write_results
from supcon_ext.training.bank import BATCH
from supcon_ext.use.evaluation_record import PLACE, tell_of_evaluations
from supcon_ext.use.held_out import SHARE, with_test
from supcon_ext.use.loaded import LoadedEncoder

LEAST = 1e-12
"""Probability that stands for 0 where its logarithm is taken."""

USUAL = ("linear_probe", "knn")
CLASSIFIER = "classifier"
NOTHING_TO_TRAIN_ON: dict[str, Any] = {
    "noise": None,
    "imbalance": None,
    "synthetic": [],
    "validation": 0.0,
    "empty_classes": "keep",
}
"""What is not asked of data without training samples."""
NO_GROUPS = ShotGroups((), (), (), "no training samples")
KEYS = 2
"""Columns that tell the rows of :func:`evaluation_rows` apart."""


@dataclass(frozen=True)
class EvaluateResult:
    """What was found.

    Attributes:
        folder: Where it is written, in the run's folder.
        results: What its ``results.json`` holds.
        tracking_uri: Where MLflow has the run, or None.
    """

    folder: Path
    results: dict[str, Any]
    tracking_uri: str | None


def evaluate_run(
    run: str | Path,
    data: str | None = None,
    *,
    overrides: Sequence[str] = (),
    by: Sequence[Any] | None = None,
    test: float | None = None,
    skip_bad: bool = False,
    batch: int = BATCH,
    workers: int = 0,
    device: str = "auto",
    tell: Callable[[str], None] = lambda line: None,
) -> EvaluateResult:
    """Measure a finished run's encoder on data, and keep what was found with the run.

    Evaluators are fitted on the training split of the data, with frozen features, and scored on its
    validation and test split, so that data of other classes serve as well. ``classifier`` is what
    :func:`~supcon_ext.use.load.load` predicts by, as it is; the data's classes must be among the
    run's, and no training split is asked for.

    Measures, tables and figures go to ``evaluations/<name of the data>`` in the run's folder, which
    is numbered where there is one; the measures to the run's journal too, and from there to MLflow.

    Args:
        run: The run's folder or name.
        data: See :func:`~supcon_ext.experiment.named_data.named_data`; a recipe's and a run's are
            taken with their noise and imbalance. None for the run's own data.
        overrides: ``KEY=VALUE`` beside a recipe.
        by: Evaluators, by name or as mappings with ``kind``; None for ``classifier`` where the
            classes fit, ``linear_probe`` and ``knn``.
        test: Share of each class that is set aside to measure on, of data without a test split;
            None for a fifth, of data that no recipe says a validation split of.
        skip_bad: Leave bad image files out, in place of an error.
        batch: Samples at a time.
        workers: Processes that read pictures.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        tell: Given a line on each thing worth knowing.

    Raises:
        ValueError: Something is wrong with the run, the data or the evaluators.
        OSError: Something cannot be read or written.
    """
    with starting():
        folder = find_run(run)
        read_results(folder)  # tells of a run that is not finished
        encoder = LoadedEncoder(read_model(folder), device=device, batch=batch, workers=workers)
        seed = load_recipe(folder / RECIPE).seed
        named = _named(folder, data, overrides, encoder.preprocessing)
        source, held_out = with_test(named.source, test, 0.0 if named.said_whole else SHARE)
        section = named.section
        if skip_bad:
            section = section.model_copy(update={"bad_images": "skip"})
        if not len(source.train):
            section = section.model_copy(update=NOTHING_TO_TRAIN_ON)
        with FileProgress() as files:
            prepared = build_data(section, given=source, left_out=named.left_out, progress=files)
        fitting_set(prepared.train, encoder.preprocessing)
        fits = set(prepared.train.classes) <= set(encoder.classes)
        specs = _specs(by, fits, bool(len(prepared.train)))
        evaluators = build_evaluators(specs)
        _check(specs, evaluators, prepared, fits, encoder.classes)
    shown = "its own data" if data is None else data
    sizes = prepared.describe()
    tell(
        f"{shown}: {sizes['train']:,} training, {sizes['validation']:,} validation, "
        f"{sizes['test']:,} test; {encoder.name}, on {encoder.device}"
    )
    if held_out is not None:
        tell(str(held_out))
    groups = build_groups(section, prepared) if len(prepared.train) else NO_GROUPS
    seen = _seen(encoder, prepared, groups, seed, fits)
    reports = reports_of(seen, evaluators)
    results = {
        "data": shown,
        "fingerprint": prepared.fingerprint,
        "held_out": None if held_out is None else asdict(held_out),
        "classes": len(prepared.train.classes),
        "evaluators": [spec.as_dict() for spec in specs],
        "classifier": encoder.predictor,
        "imbalance_factor": imbalance_of_splits(prepared),
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
        "last": {
            split: {name: dict(report.metrics) for name, report in found.items()}
            for split, found in reports.items()
        },
    }
    with lock(folder):
        place = _new_place(folder, "own" if data is None else named.name)
        place.parent.mkdir(exist_ok=True)
        with whole_folder(place) as draft:
            told = reports.get("test") or reports.get("validation") or {}
            draw_reports(draft, told)
            write_tables(draft, told)
            write_results(draft, results)
        mirror = tell_of_evaluations(folder)
    return EvaluateResult(place, results, mirror.uri)


def _named(
    folder: Path, data: str | None, overrides: Sequence[str], of: Preprocessing
) -> NamedData:
    """What was named; the run itself where nothing was."""
    if data is None:
        no_overrides(overrides, "--data")
        return named_data(str(folder))
    return named_data(data, overrides, reading=of.reading, labels=True)


def _specs(by: Sequence[Any] | None, fits: bool, trains: bool) -> list[Spec]:
    """The evaluators that were asked for, or the usual ones of those that can be."""
    usual = [*([CLASSIFIER] if fits else []), *(USUAL if trains or not fits else ())]
    wanted = by if by is not None else usual
    try:
        return [family("evaluator").spec(each) for each in wanted]
    except PydanticCustomError as error:  # a ValidationError is a ValueError
        raise ValueError(error.message()) from error


def _check(
    specs: list[Spec],
    evaluators: dict[str, Any],
    data: PreparedData,
    fits: bool,
    classes: tuple[str, ...],
) -> None:
    """What can be known to be wrong before anything is embedded."""
    if data.test is None and data.validation is None:
        raise ValueError(
            "Expected data with a test or a validation split to measure on, but got none. "
            "Try: a column `split` of the manifest, or folders train and test"
        )
    for name, part in evaluators.items():
        if not len(data.train) and getattr(part, "needs_training", True):
            raise ValueError(
                f"Expected training samples for evaluator `{name}`, which is fitted on them, but "
                "the data have none. Try: rows with split `train`, or --by classifier where the "
                "classes are the run's"
            )
        if data.validation is None and getattr(part, "needs_validation", False):
            raise ValueError(
                f"Expected a validation split for evaluator `{name}`, which selects on it, but got "
                "none. Try: a recipe with data.validation=0.1"
            )
        if "logits" in part.requires and not fits:
            other = next(each for each in data.train.classes if each not in classes)
            raise ValueError(
                f"Expected classes of the run for evaluator `{name}`, which predicts those, but "
                f"got others: {printable(other)}. Try: --by linear_probe --by knn, which are "
                "fitted to the data"
            )


def _seen(
    encoder: LoadedEncoder, data: PreparedData, groups: ShotGroups, seed: int, fits: bool
) -> EvaluationInput:
    """All splits as the encoder sees them."""
    classes = data.train.classes

    def embedded(samples: SampleSet | None) -> Embedded | None:
        if samples is None:
            return None
        outputs = encoder.outputs(samples)
        logits = None
        if fits:
            order = [encoder.classes.index(name) for name in classes]
            known = outputs.logits
            if known is None:  # not trained, but fitted after it
                known = encoder.parts.predictor(outputs).clamp(min=LEAST).log()
            logits = known[:, order]
        return replace(outputs, logits=logits, index=torch.arange(len(samples)))

    validation, test = embedded(data.validation), embedded(data.test)
    train = embedded(data.train) if len(data.train) else _none_of(validation or test)
    if train is None:
        raise ValueError("Expected samples, but got none.")
    weak = augmented_view(encoder.preprocessing.context)

    def augmented(epoch: int) -> Tensor:
        return encoder.outputs(data.train, weak, EpochKey(seed, epoch)).features

    return EvaluationInput(
        train=train,
        validation=validation,
        test=test,
        classes=classes,
        groups=groups,
        seed=seed,
        augmented=augmented,
        encoder=Tunable(
            backbone=encoder.network.backbone,
            spec=data.train.spec,
            plain=encoder.preprocessing.view,
            augmented=weak,
            device=encoder.device,
            workers=encoder.workers,
        ),
    )


def _none_of(part: Embedded | None) -> Embedded | None:
    """A split without a sample, as wide as another."""
    if part is None:
        return None
    logits = None if part.logits is None else part.logits[:0]
    return Embedded(part.features[:0], part.z[:0], logits, part.label[:0], part.index[:0])


def _new_place(folder: Path, name: str) -> Path:
    """A folder of its own for an evaluation, numbered where there is one of that name."""
    base = re.sub(r"[^\w.-]+", "_", name).strip("._") or "data"
    places = (f"{base}{f'.{number}' if number > 1 else ''}" for number in itertools.count(1))
    return next(folder / PLACE / each for each in places if not (folder / PLACE / each).exists())


def evaluation_rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of a table of an evaluation, as a run's own: each evaluator that predicts classes."""
    shown = (*headline(is_long_tailed(results)), "ece")
    return [
        {"evaluator": name, "split": split, **{key: metrics.get(key) for key in shown}}
        for split, by_evaluator in results["last"].items()
        for name, metrics in by_evaluator.items()
        if "accuracy" in metrics
    ]
