"""The data set with its suspicious labels corrected, as a file that the next run reads."""

from __future__ import annotations

import csv
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_tools.labels_file import LabelTable, write_labels
from data_tools.samples import IntArray, SampleSet
from data_tools.whole_file import whole_file
from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.audit.table import AuditTable
from supcon_ext.experiment.open import OpenedRun
from supcon_ext.recipe.schema import Recipe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Corrections:
    """What was written.

    Attributes:
        path: The file.
        changed: How many labels differ from the given ones.
        overrides: What to change in the run's recipe to train on the file.
    """

    path: Path
    changed: int
    overrides: tuple[str, ...]


def check_target(path: Path, recipe: Recipe, force: bool) -> None:
    """Refuse, before anything is computed, a file that could not be written in the end.

    Args:
        path: Where corrected labels are to go.
        recipe: Of the run.
        force: Whether an existing file may be replaced.

    Raises:
        ValueError: The file exists, its folder does not, it ends in neither ``.csv`` nor ``.npz``,
            or the recipe's noise replaces images, which no list of labels can repeat.
    """
    if path.suffix not in (".csv", ".npz"):
        raise ValueError(f"Expected a file that ends in .csv or .npz, but got {path}.")
    if not path.parent.is_dir():
        raise ValueError(f"Expected a file in a folder that exists, but got {path}.")
    if path.exists() and not force:
        raise ValueError(f"Expected a new file, but {path} exists. Try: --force, or another name.")
    noise = recipe.data.noise
    if noise is not None and noise.kind == "open_set":
        raise ValueError(
            "Expected images that are the data set's own, but the noise `open_set` replaces some, "
            "so corrected labels would be of other images. Try: an audit without --apply."
        )


def correct(path: Path, opened: OpenedRun, table: AuditTable, min_confidence: float) -> Corrections:
    """Write the labels, those corrected that look wrong and whose suggestion is sure enough.

    Where the images are files, a manifest of training, validation and test images; test labels are
    as they came. Elsewhere, and of vectors, the labels by index, for the noise ``from_file``.

    Args:
        path: Where to, ``.csv``, or ``.npz`` where the images are no files.
        opened: The run.
        table: The audit.
        min_confidence: Least confidence of a suggestion that is taken.

    Raises:
        ValueError: The path ends otherwise.
    """
    verdict = table.verdict
    sure = (verdict.flagged & (verdict.confidence >= min_confidence)).numpy()
    samples = table.samples
    label = np.where(sure, verdict.suggested.numpy(), samples.label)
    emptied = np.setdiff1d(samples.label, label)
    if len(emptied):
        names = ", ".join(samples.classes[i] for i in emptied)
        logger.warning("no image keeps a label of class %s after the corrections", names)
    if samples.paths is not None and samples.train.spec.kind == "image":
        _write_manifest(path, samples, opened.data.test, label)
        return Corrections(path, int(sure.sum()), _manifest_overrides(path, opened))
    changed = _write_by_index(path, opened, samples, label)
    return Corrections(path, changed, (f"data.noise={{kind: from_file, file: {path}}}",))


def _write_manifest(
    path: Path, samples: AuditedSamples, test: SampleSet | None, label: IntArray
) -> None:
    if path.suffix != ".csv":
        raise ValueError(f"Expected a manifest that ends in .csv, but got {path}.")
    count = len(samples.train)
    parts = [("train", samples.train, label[:count])]
    if samples.validation is not None:
        parts.append(("val", samples.validation, label[count:]))
    if test is not None and "path" in test.columns:
        parts.append(("test", test, test.label))
    further = [name for name in samples.train.columns if name != "path"]
    with (
        whole_file(path) as draft,
        draft.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "split", *further])
        for split, images, labels in parts:
            writer.writerows(_manifest_rows(path.parent, split, images, labels, further))


def _manifest_rows(
    folder: Path, split: str, images: SampleSet, label: IntArray, further: list[str]
) -> list[list[Any]]:
    columns = [images.columns.get(name, np.full(len(images), "")) for name in further]
    return [
        [_seen_from(folder, file), images.classes[given], split, *(column[i] for column in columns)]
        for i, (file, given) in enumerate(zip(images.columns["path"], label, strict=True))
    ]


def _seen_from(folder: Path, file: str) -> str:
    """A file's path from a folder that it lies below, else its absolute path."""
    absolute, base = os.path.abspath(file), os.path.abspath(folder)
    below = os.path.commonpath([absolute, base]) == base
    return os.path.relpath(absolute, base) if below else absolute


def _manifest_overrides(path: Path, opened: OpenedRun) -> tuple[str, ...]:
    data = opened.recipe.data
    kept = {
        name: value
        for name, value in data.dataset.params.items()
        if (name, value) in {("mode", "grey"), ("flips", False)}
    }
    files = [
        file
        for part in (opened.data.train, opened.data.validation, opened.data.test)
        if part is not None
        for file in part.columns.get("path", [])
    ]
    if any(os.path.isabs(_seen_from(path.parent, file)) for file in files):
        kept["outside"] = True
    told = "".join(f", {name}: {str(value).lower()}" for name, value in kept.items())
    made = [f"data.dataset={{kind: manifest, file: {path}{told}}}"]
    made += [
        f"data.{name}=null" for name in ("noise", "imbalance") if getattr(data, name) is not None
    ]
    return tuple(made)


def _write_by_index(path: Path, opened: OpenedRun, samples: AuditedSamples, label: IntArray) -> int:
    """Labels of the images taken from the data set's training set; how many were changed."""
    before = opened.data.labels
    count = len(samples.train) if samples.shipped_apart else len(samples)
    if lost := int((label[count:] != samples.label[count:]).sum()):
        logger.warning(
            "%d corrections are of validation images that came apart from the training images: "
            "%s has no place for them",
            lost,
            path,
        )
    place = np.searchsorted(before.index, samples.index[:count])
    given = before.given.copy()
    given[place] = label[:count]
    settings = {**before.settings, "corrected": opened.folder.name}
    write_labels(path, LabelTable.of(before.index, given, before.held_out, None, settings))
    return int((given != before.given).sum())
