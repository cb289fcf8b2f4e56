"""The data set with its suspicious labels corrected, as a file that the next run reads."""

from __future__ import annotations

import csv
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_tools.labels_file import JUDGED, KEPT_APART, LabelTable, write_labels
from data_tools.whole_file import whole_file
from supcon_ext.audit.class_sizes import Allow, class_sizes
from supcon_ext.audit.decisions import Mask
from supcon_ext.audit.samples import AuditedSamples
from supcon_ext.audit.settled import Settled, settle
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
        settled: The labels, and where they come from.
        suggested: How many of the file's labels are changed by the neighbours' word alone.
        tested: How many of those are the test's.
    """

    path: Path
    changed: int
    overrides: tuple[str, ...]
    settled: Settled
    suggested: int
    tested: int


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


def check_places(path: Path, samples: AuditedSamples) -> None:
    """Refuse a file that a manifest cannot be.

    Args:
        path: Where corrected labels are to go.
        samples: All of the run's.

    Raises:
        ValueError: A manifest would not end in ``.csv``.
    """
    if _are_files(samples) and path.suffix != ".csv":
        raise ValueError(f"Expected a manifest that ends in .csv, but got {path}.")


def _are_files(samples: AuditedSamples) -> bool:
    return samples.paths is not None and samples.train.spec.kind == "image"


def correct(
    path: Path,
    opened: OpenedRun,
    table: AuditTable,
    min_confidence: float | None,
    allow: Allow = lambda halved: None,
) -> Corrections:
    """Write the labels as people decided, and those corrected whose suggestion is sure enough.

    Where the images are files, a manifest of training, validation and test images. Elsewhere, and
    of vectors, the labels of the training set by index, for the noise ``from_file``, and where some
    are left out, for the imbalance ``listed``. Left out is what people found unusable. Either says
    which labels people have judged, so that a later audit does not list them again.

    Args:
        path: Where to, ``.csv``, or ``.npz`` where the images are no files.
        opened: The run.
        table: The audit.
        min_confidence: Least confidence of a suggestion that is taken; None takes none.
        allow: Told, before anything is written, of classes that would be halved.

    Raises:
        ValueError: See :func:`check_places`.
    """
    samples = table.samples
    check_places(path, samples)
    settled = settle(table, min_confidence)
    if halved := [size for size in class_sizes(table, settled) if size.halved]:
        allow(halved)
    label = settled.label
    emptied = np.setdiff1d(samples.label, label[~settled.unusable])
    if len(emptied):
        names = ", ".join(samples.classes[i] for i in emptied)
        logger.warning("no image keeps a label of class %s after the corrections", names)
    if _are_files(samples):
        _write_manifest(path, samples, settled)
        changed = int((label != samples.label)[~settled.unusable].sum())
        overrides = _manifest_overrides(path, opened)
        suggested = int(settled.suggested.sum())
        tested = int(settled.suggested[samples.voters :].sum())
        return Corrections(path, changed, overrides, settled, suggested, tested)
    changed = _write_by_index(path, opened, table, settled)
    data = opened.recipe.data
    told = [f"data.noise={{kind: from_file, file: {path}}}"]
    noise_first = data.imbalance is not None and data.order != "imbalance_then_noise"
    if noise_first or settled.unusable[: samples.from_training].any():
        told.append(f"data.imbalance={{kind: listed, file: {path}}}")
        if data.order != "imbalance_then_noise":
            told.append("data.order=imbalance_then_noise")
    suggested = int(settled.suggested[: samples.from_training].sum())
    return Corrections(path, changed, tuple(told), settled, suggested, 0)


def _write_manifest(path: Path, samples: AuditedSamples, settled: Settled) -> None:
    further = [name for name in samples.train.columns if name not in ("path", JUDGED)]
    heads = [*further] if settled.judged is None else [*further, JUDGED]
    columns = {
        name: np.concatenate(
            [part.columns.get(name, np.full(len(part), "")) for part in samples.parts]
        )
        for name in further
    }
    if settled.judged is not None:
        columns[JUDGED] = settled.judged
    paths = samples.paths or []
    with (
        whole_file(path) as draft,
        draft.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "split", *heads])
        for i, split in enumerate(samples.split):
            if not settled.unusable[i]:
                named = _seen_from(path.parent, paths[i])
                given = samples.classes[settled.label[i]]
                said = "val" if split == "validation" else split
                writer.writerow([named, given, said, *(columns[name][i] for name in heads)])


def _seen_from(folder: Path, file: str) -> str:
    """A file's path from a folder that it lies below, else its absolute path."""
    absolute, base = os.path.abspath(file), os.path.abspath(folder)
    below = os.path.commonpath([absolute, base]) == base
    return os.path.relpath(absolute, base) if below else absolute


def _manifest_overrides(path: Path, opened: OpenedRun) -> tuple[str, ...]:
    data = opened.recipe.data
    usual = {"mode": "rgb", "scale": None, "flips": True}
    given = {name: data.dataset.params.get(name, value) for name, value in usual.items()}
    kept = {name: value for name, value in given.items() if value != usual[name]}
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


def _kept_apart(samples: AuditedSamples, kept: Mask) -> dict[str, list[int]]:
    """Places of kept labels, by the set that came apart from the training set."""
    found: dict[str, list[int]] = {}
    for i in range(samples.from_training, len(samples)):
        if kept[i]:
            found.setdefault(samples.split[i], []).append(int(samples.index[i]))
    return found


def _write_by_index(path: Path, opened: OpenedRun, table: AuditTable, settled: Settled) -> int:
    """Labels of the images taken from the data set's training set; how many were changed."""
    before, samples = opened.data.labels, table.samples
    count, label = samples.from_training, settled.label
    apart = (label != samples.label) | settled.unusable
    if lost := int(apart[count:].sum()):
        logger.warning(
            "%d corrections are of validation or test images that came apart from the training "
            "images: %s has no place for them",
            lost,
            path,
        )
    place = np.searchsorted(before.index, samples.index[:count])
    given, usable = before.given.copy(), np.ones(len(before.index), dtype=bool)
    given[place], usable[place] = label[:count], ~settled.unusable[:count]
    judged = None
    if settled.judged is not None:
        judged = np.full(len(before.index), "", dtype=settled.judged.dtype)
        judged[place] = settled.judged[:count]
        judged = judged[usable]
        judged = judged if (judged != "").any() else None
    settings = {**before.settings, "corrected": opened.folder.name}
    if settled.judged is not None:
        settings[KEPT_APART] = _kept_apart(samples, (settled.judged != "") & ~apart)
    columns = (before.index[usable], given[usable], before.held_out[usable])
    write_labels(path, LabelTable.of(*columns, None, settings, judged))
    return int((given != before.given)[usable].sum())
