"""What a filter is: it says of each synthetic sample how good it is, and whether it is kept.

Shape letters: M synthetic samples, N real ones, F features, C classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from data_tools.border import check_array, check_type, refuse
from data_tools.registry import Registry, part_name
from data_tools.samples import IntArray
from data_tools.synthetic_set import UNKNOWN, SyntheticSet
from supcon_ext.synthetic.features import FeatureBank, Features
from supcon_ext.synthetic.real_training import RealTraining

__all__ = ["FilterInput", "FilterVerdict", "SyntheticFilter", "asked_verdict", "synthetic_filter"]

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
Mode = Literal["hard", "quality"]

NO_CLASS = "its class is not known"
NO_CAPTION = "it has no caption"
NO_REAL = "its class has no trusted real sample"


@dataclass(frozen=True)
class FilterInput:
    """What a filter may look at.

    Attributes:
        synthetic: M samples that the filters before have left, with the quality that they gave.
        real: The real training samples, and which of them are trusted. Fit on the trusted ones.
        bank: Makes features, each once for all filters.
        index: ``(M,)`` int64 places of the samples in the whole set, by which the bank knows them.
    """

    synthetic: SyntheticSet
    real: RealTraining
    bank: FeatureBank
    index: IntArray

    def features(self, encoder: str | None = None) -> Features:
        """Features of the M samples and of the trusted real ones.

        Args:
            encoder: A finished run or ``timm:NAME``; None for what the whole chain uses.

        Raises:
            ValueError: A sample cannot be read, or there is no such encoder.
        """
        return self.bank.of(self.index, encoder)


@dataclass(frozen=True)
class FilterVerdict:
    """What a filter says of each sample.

    Attributes:
        score: ``(M,)`` float32 in [0, 1], 1 for the best.
        kept: ``(M,)`` bool.
        reason: ``(M,)`` texts, why a sample is not kept: the same few words for all of one kind;
            empty for those that are.
    """

    score: FloatArray
    kept: BoolArray
    reason: npt.NDArray[Any]

    @staticmethod
    def of(score: npt.ArrayLike, faults: Mapping[str, BoolArray]) -> FilterVerdict:
        """A verdict by faults; a sample with several is told the first of them.

        Args:
            score: ``(M,)`` numbers in [0, 1].
            faults: Samples that have it, ``(M,)`` bool, by the words for the fault.
        """
        scores = np.asarray(score, dtype=np.float32)
        reason = np.full(len(scores), "", dtype=object)
        for words, found in faults.items():
            reason[found & (reason == "")] = words
        return FilterVerdict(scores, reason == "", reason)


class SyntheticFilter(ABC):
    """Judges synthetic samples.

    ``mode`` is a key of every filter in a recipe, whatever its ``__init__`` takes; in Python it is
    an attribute to set.

    Attributes:
        mode: ``hard`` drops what is not kept; ``quality`` multiplies each sample's quality by its
            score, and drops those that come to 0.
        requires: ``class``, ``caption``: what some of the samples must have.
    """

    mode: Mode = "hard"
    requires: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def judge(self, data: FilterInput) -> FilterVerdict:
        """A verdict of each sample, which depends neither on their order nor on chance."""


def asked_verdict(part: SyntheticFilter, data: FilterInput) -> FilterVerdict:
    """The verdict of a filter.

    Raises:
        ValueError: The samples lack what it needs, or it is no verdict of these samples.
    """
    name, count = part_name("synthetic_filter", part), len(data.synthetic)
    for what, column in (("class", data.synthetic.label), ("caption", data.synthetic.caption)):
        if what in part.requires and bool((column == UNKNOWN).all()):
            raise ValueError(
                f"Expected synthetic samples of a known {what} for {name}, but none has one. "
                f"Try: a column `{what}` in the manifest, or no such filter."
            )
    made: Any = part.judge(data)
    check_type(name, "a verdict", made, FilterVerdict, "FilterVerdict.of(score, {reason: found})")
    check_array(name, "scores", made.score, (count,), ("float",))
    check_array(name, "what is kept", made.kept, (count,), ("bool",))
    check_array(name, "reasons", made.reason, (count,), ("object",))
    if not bool(((made.score >= 0) & (made.score <= 1)).all()):
        raise refuse(name, "scores in [0, 1]", f"{made.score.min()} to {made.score.max()}")
    if not bool(((made.reason == "") == made.kept).all()):
        raise refuse(name, "a reason of each sample that is not kept, and of no other", "others")
    verdict: FilterVerdict = made
    return verdict


synthetic_filter = Registry[SyntheticFilter](
    "synthetic_filter", "supcon_ext.synthetic.filters", common=("mode",), base=SyntheticFilter
)
