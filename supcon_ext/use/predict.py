"""Samples in, a file of classes out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supcon_ext.experiment.cannot_start import starting
from supcon_ext.experiment.given_samples import SPLITS
from supcon_ext.progress.file_progress import FileProgress
from supcon_ext.training.bank import BATCH
from supcon_ext.use.data import read_given
from supcon_ext.use.load import load
from supcon_ext.use.predictions_file import check_target, write_predictions

DIGITS = 6


@dataclass(frozen=True)
class PredictResult:
    """What was written.

    Attributes:
        path: The file.
        count: Samples in it.
        left_out: Pictures that could not be read.
        classes: How many were predicted to be of each class, the most frequent first.
    """

    path: Path
    count: int
    left_out: int
    classes: dict[str, int]


def predict_file(
    run: str | Path,
    data: str,
    out: str | Path,
    *,
    overrides: Sequence[str] = (),
    splits: tuple[str, ...] = SPLITS,
    skip_bad: bool = False,
    batch: int = BATCH,
    workers: int = 0,
    device: str = "auto",
    force: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> PredictResult:
    """Write the class of each sample of a data set to a file.

    Its columns are ``path``; ``class``, the most probable; its ``probability``; and ``distance``,
    the mean cosine distance of the features to the five nearest training samples of that class, in
    [0, 2]. ``model.json`` tells what is usual of each class.

    Args:
        run: See :func:`~supcon_ext.use.load.load`.
        data: See :func:`~supcon_ext.use.data.read_given`.
        out: The file to make: .csv, .jsonl or .parquet; whole or not at all.
        overrides: ``KEY=VALUE`` beside a recipe.
        splits: Which splits to take, of those that there are.
        skip_bad: Leave bad image files out, in place of an error.
        batch: Samples at a time.
        workers: Processes that read pictures.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        force: Let an existing file be replaced.
        tell: Given a line on each thing worth knowing.

    Raises:
        ValueError: Something is wrong with the run, the data or the file.
        OSError: Something cannot be read, or the file cannot be written.
    """
    target = Path(out)
    with starting():
        check_target(target, force)
        encoder = load(run, device=device, batch=batch, workers=workers)
        with FileProgress() as files:
            samples, names = read_given(
                data,
                encoder.preprocessing,
                overrides=overrides,
                splits=splits,
                skip_bad=skip_bad,
                progress=files,
            )
    tell(
        f"{len(samples):,} {samples.spec.kind}s of {data}; {encoder.name}, {len(encoder.classes)} "
        f"classes by {encoder.predictor}, on {encoder.device}"
    )
    outputs = encoder.outputs(samples)
    judged = encoder.judged(outputs)
    kept = (outputs.index >= 0).nonzero().flatten().tolist()
    class_ = [encoder.classes[number] for number in judged.class_[kept]]
    probability = judged.probability.max(axis=1)
    columns: dict[str, list[Any]] = {
        "path": [names[place] for place in kept],
        "class": class_,
        "probability": [_number(value) for value in probability[kept]],
        "distance": [_number(value) for value in judged.distance[kept]],
    }
    write_predictions(target, columns)
    found = dict(Counter(class_).most_common())
    return PredictResult(target, len(kept), len(samples) - len(kept), found)


def _number(value: Any) -> float | None:
    return None if math.isnan(value) else round(float(value), DIGITS)
