"""A data set as an experiment sees it: a source with noise, imbalance and a validation split."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data_tools.arguments import check_between
from data_tools.datasets.base import Splits
from data_tools.labels_file import JUDGED, KEPT, LabelTable, write_labels
from data_tools.noise.base import Matrix, NoisyLabels
from data_tools.samples import IntArray, SampleSet, TakenFrom
from data_tools.shot_groups import by_counts
from data_tools.summary import imbalance_factor, noise_rate
from data_tools.synthetic_set import SyntheticSet
from data_tools.training_set import with_synthetic
from data_tools.validation import stratified_holdout

logger = logging.getLogger(__name__)

Order = Literal["imbalance_then_noise", "noise_then_imbalance"]


@dataclass(frozen=True)
class Truth:
    """True labels, kept apart from the data: for evaluation and for the oracle, never for training.

    Attributes:
        train: ``(N,)`` int64 true labels of the training images; -1 for open-set images.
        validation: ``(V,)`` int64 of the validation images, or None where there are none.
    """

    train: IntArray
    validation: IntArray | None


@dataclass(frozen=True)
class PreparedData:
    """What an experiment trains and is measured on.

    Attributes:
        train: N training images with their given labels.
        validation: Validation images with given labels, or None.
        test: Test images as the source ships them, or None.
        origin: ``(N,)`` int64 place of each training image in the source's training set.
        validation_origin: ``(V,)`` int64 of each validation image, where it was taken from the
            training set; else None.
        truth: True labels where they are known: noise was added, or the source's labels are.
        counts: ``(C,)`` int64 training images of each given label.
        clean_counts: ``(C,)`` int64 of each true label, or None.
        transition: ``(C, C)`` intended P(given | true), or None where the noise has none, or where
            images were dropped by their noisy label afterwards.
        labels: The labels of all images taken from the training set, by their place there, with the
            settings and the fingerprint: what :meth:`export_labels` writes.
        synthetic: Synthetic samples that stand beside the training images, or None.
    """

    train: SampleSet
    validation: SampleSet | None
    test: SampleSet | None
    origin: IntArray
    validation_origin: IntArray | None
    truth: Truth | None
    counts: IntArray
    clean_counts: IntArray | None
    transition: Matrix | None
    labels: LabelTable
    synthetic: SyntheticSet | None = None

    @property
    def training(self) -> SampleSet:
        """What is trained on: the training images, and synthetic samples after them if any are."""
        return self.train if self.synthetic is None else with_synthetic(self.train, self.synthetic)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over indices, given labels, split and settings, and what is synthetic."""
        if self.synthetic is None:
            return self.labels.fingerprint
        both = f"{self.labels.fingerprint} {self.synthetic.fingerprint}"
        return hashlib.sha256(both.encode()).hexdigest()

    def describe(self) -> dict[str, Any]:
        """Sizes, noise rate, imbalance and shot groups as plain values; None where not known."""
        groups = by_counts(self.counts if self.clean_counts is None else self.clean_counts)
        truth, clean = self.truth, self.clean_counts
        return {
            "train": len(self.train),
            "validation": 0 if self.validation is None else len(self.validation),
            "test": 0 if self.test is None else len(self.test),
            "classes": len(self.train.classes),
            "counts": self.counts.tolist(),
            "clean_counts": None if clean is None else clean.tolist(),
            "noise_rate": None if truth is None else noise_rate(self.train.label, truth.train),
            "open_set_rate": None if truth is None else float(np.mean(truth.train < 0)),
            "imbalance_factor": imbalance_factor(self.counts),
            "clean_imbalance_factor": None if clean is None else imbalance_factor(clean),
            "shot_groups": groups.sizes(),
            "shot_rule": groups.rule,
            "fingerprint": self.fingerprint,
            **({} if self.synthetic is None else {"synthetic": self.synthetic.describe()}),
        }

    def export_labels(self, path: str | Path) -> None:
        """Write the labels as ``.npz`` or ``.csv``, to be read back by the noise ``from_file``.

        Raises:
            ValueError: The path ends otherwise.
        """
        write_labels(path, self.labels)


def prepare_data(
    source: Splits,
    *,
    noise: Callable[[SampleSet], NoisyLabels] | None = None,
    imbalance: Callable[[IntArray, int], IntArray] | None = None,
    order: Order = "imbalance_then_noise",
    validation: float = 0.0,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> PreparedData:
    """Add imbalance and noise to a source, and hold out a validation set by given labels.

    Args:
        source: The data set as it comes.
        noise: Gives the training images their labels; None leaves them.
        imbalance: Chooses which images to keep; None keeps all.
        order: Imbalance first chooses by true labels; noise first chooses by the noisy ones (HAR,
            Cao et al. 2021). These are different problems.
        validation: Share of the training images held out, in [0, 1). A validation set that the
            source ships is taken instead.
        seed: Seed of that split.
        settings: What source, noise and imbalance were made with, for the fingerprint.

    Raises:
        ValueError: ``validation`` is out of bounds, or the order is unknown.
    """
    check_between("validation", validation, 0, 0.99, "0.1")
    if order not in ("imbalance_then_noise", "noise_then_imbalance"):
        raise ValueError(
            "Expected imbalance_then_noise or noise_then_imbalance of argument `order`, "
            f"but got {order}."
        )
    whole = TakenFrom(np.arange(len(source.train)), len(source.train))
    current = replace(source.train, origin=whole)
    known = source.truth_known or noise is not None
    truth = current.label if known else None
    transition = None
    for step in order.split("_then_"):
        if step == "imbalance" and imbalance is not None:
            kept = imbalance(current.label, len(current.classes))
            current = current.take(kept)
            truth = None if truth is None else truth[kept]
            transition = None
        if step == "noise" and noise is not None:
            noisy = noise(current)
            samples = current.samples if noisy.samples is None else noisy.samples
            columns = dict(current.columns)
            if noisy.judged is not None:
                columns[JUDGED] = noisy.judged
            current = replace(current, label=noisy.label, samples=samples, columns=columns)
            truth, transition = noisy.truth, noisy.transition
            source = _with_kept(source, noisy.kept_apart)
    described = {
        "made": settings or {},
        "order": order,
        "validation": validation,
        "seed": seed,
    }
    made = _split(source, current, truth, transition, validation, seed, described)
    logged = made.describe()
    del logged["counts"], logged["clean_counts"]
    logger.info("made data: %s", logged)
    return made


def _with_kept(source: Splits, kept: Mapping[str, Sequence[int]]) -> Splits:
    """The sets that came apart from the training set, with the labels in them that people kept."""
    parts = {"validation": source.validation, "test": source.test}
    for name, places in kept.items():
        part = parts.get(name)
        there = [place for place in places if part is not None and place < len(part)]
        if len(there) < len(places):
            logger.warning(
                "%d labels that people kept are of a %s set that is not here",
                len(places) - len(there),
                name,
            )
        if part is not None:
            judged = np.asarray(part.columns.get(JUDGED, np.full(len(part), ""))).astype(object)
            judged[there] = KEPT
            parts[name] = replace(part, columns={**part.columns, JUDGED: judged.astype(str)})
    return replace(source, validation=parts["validation"], test=parts["test"])


def _split(
    source: Splits,
    current: SampleSet,
    truth: IntArray | None,
    transition: Matrix | None,
    share: float,
    seed: int,
    settings: Mapping[str, Any],
) -> PreparedData:
    """Part the training images from those held out, and record what came of it."""
    origin = np.arange(len(current)) if current.origin is None else current.origin.index
    held_out = np.zeros(len(current), dtype=bool)
    validation, true_validation = source.validation, None
    if validation is not None:
        logger.info("validation: the %d images that the source ships", len(validation))
        true_validation = None if truth is None else validation.label
    elif share > 0:
        _, held = stratified_holdout(current.label, share=share, seed=seed)
        held_out[held] = True
        validation = current.take(held)
        true_validation = None if truth is None else truth[held]
    kept = np.flatnonzero(~held_out)
    train = current.take(kept)
    classes = len(train.classes)
    said = current.columns.get(JUDGED)
    judged = None if said is None else np.asarray(said).astype(str)
    true_train = None if truth is None else truth[kept]
    clean = None
    if true_train is not None:
        clean = np.bincount(true_train[true_train >= 0], minlength=classes)
    return PreparedData(
        train=train,
        validation=validation,
        test=source.test,
        origin=origin[kept],
        validation_origin=origin[held_out] if held_out.any() else None,
        truth=None if true_train is None else Truth(true_train, true_validation),
        counts=np.bincount(train.label, minlength=classes),
        clean_counts=clean,
        transition=transition,
        labels=LabelTable.of(origin, current.label, held_out, truth, settings, judged),
    )
