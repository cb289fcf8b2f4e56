"""How well the classes of synthetic samples are recognised, and how much they differ within.

Shape letters: C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from data_tools.samples import IntArray
from data_tools.synthetic_set import UNKNOWN
from supcon_ext.synthetic.features import FeatureBank
from supcon_ext.synthetic.reference_classifier import held_out_classes, reference_classifier

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClassMeasures:
    """Recognisability and diversity of each class, NaN where they cannot be told.

    Both are those of Fan et al. 2024, "Scaling Laws of Synthetic Images". Recognisability is the F1
    score of a class over the synthetic samples of known class, by a classifier that was fitted on
    the trusted real training samples; of the real ones themselves, by cross-validation. Diversity
    is the standard deviation of a feature within the class, averaged over the features.

    Attributes:
        given: ``(C,)`` int64 samples before the filters, those that can be read.
        kept: ``(C,)`` int64 after them.
        f1_given: ``(C,)`` recognisability of all that were given.
        f1_kept: ``(C,)`` of those that were kept.
        f1_real: ``(C,)`` of the real ones.
        spread_given: ``(C,)`` diversity of all that were given.
        spread_kept: ``(C,)`` of those that were kept.
        spread_real: ``(C,)`` of the real ones.
        bound: Recognisability below which more samples are of little help.
    """

    given: IntArray
    kept: IntArray
    f1_given: Numbers
    f1_kept: Numbers
    f1_real: Numbers
    spread_given: Numbers
    spread_kept: Numbers
    spread_real: Numbers
    bound: float

    @property
    def unrecognised(self) -> list[int]:
        """Classes that real samples teach to recognise, but that synthetic ones do not show."""
        low = (self.f1_given < self.bound) & ~(self.f1_real < self.bound)
        return np.flatnonzero(low & (self.given > 0)).tolist()

    @property
    def untold(self) -> list[int]:
        """Classes that the classifier does not even recognise in real samples."""
        low = (self.f1_given < self.bound) & (self.f1_real < self.bound)
        return np.flatnonzero(low & (self.given > 0)).tolist()

    def as_dict(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """Plain values; None where something cannot be told."""
        columns = {
            "given": self.given.tolist(),
            "kept": self.kept.tolist(),
            "recognisability_given": _plain(self.f1_given),
            "recognisability_kept": _plain(self.f1_kept),
            "recognisability_real": _plain(self.f1_real),
            "diversity_given": _plain(self.spread_given),
            "diversity_kept": _plain(self.spread_kept),
            "diversity_real": _plain(self.spread_real),
        }
        return {
            "bound": self.bound,
            "more_will_not_help": [classes[each] for each in self.unrecognised],
            "cannot_be_told": [classes[each] for each in self.untold],
            "classes": [
                {"class": name, **{key: column[each] for key, column in columns.items()}}
                for each, name in enumerate(classes)
            ],
        }


def measure_classes(bank: FeatureBank, kept: npt.NDArray[np.bool_], bound: float) -> ClassMeasures:
    """Measure the classes of the bank's synthetic samples.

    Args:
        bank: Of all samples that were given.
        kept: ``(M,)`` bool, which of them the filters left.
        bound: See :class:`ClassMeasures`.
    """
    every = np.flatnonzero(bank.synthetic.label != UNKNOWN)
    given = bank.readable(every)
    features, real = bank.of(given), bank.real
    label, classes = bank.synthetic.label[given], len(real.samples.classes)
    left = kept[given]
    unknown = np.full(classes, np.nan)
    told = len(np.unique(features.label)) > 1  # else there is nothing to tell apart
    seen, held_out = label, None
    if told:
        held_out = held_out_classes(features.real, features.label)
        if len(given):
            probabilities = reference_classifier(features.real, features.label, classes)
            seen = probabilities(features.synthetic).argmax(1)
    return ClassMeasures(
        given=np.bincount(label, minlength=classes),
        kept=np.bincount(label[left], minlength=classes),
        f1_given=f1_by_class(label, seen, classes) if told else unknown,
        f1_kept=f1_by_class(label[left], seen[left], classes) if told else unknown,
        f1_real=unknown if held_out is None else f1_by_class(features.label, held_out, classes),
        spread_given=spread_by_class(features.synthetic, label, classes),
        spread_kept=spread_by_class(features.synthetic[left], label[left], classes),
        spread_real=spread_by_class(features.real, features.label, classes),
        bound=bound,
    )


def f1_by_class(label: IntArray, seen: IntArray, classes: int) -> Numbers:
    """``(C,)`` F1 scores; NaN for classes without a sample."""
    right = np.bincount(label[label == seen], minlength=classes)
    of_class, called = np.bincount(label, minlength=classes), np.bincount(seen, minlength=classes)
    found: Numbers = np.where(of_class > 0, 2 * right / np.maximum(of_class + called, 1), np.nan)
    return found


def spread_by_class(features: npt.NDArray[Any], label: IntArray, classes: int) -> Numbers:
    """``(C,)`` standard deviations within classes; NaN for those with fewer than two samples."""
    found = np.full(classes, np.nan)
    for each in range(classes):
        of_class = features[label == each]
        if len(of_class) > 1:
            found[each] = float(of_class.std(0).mean())
    return found


def _plain(numbers: Numbers) -> list[float | None]:
    return [round(float(each), 4) if np.isfinite(each) else None for each in numbers]
