"""Whether a classifier that learnt from real samples sees the class in it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from supcon_ext.synthetic.filter import (
    NO_CLASS,
    NO_REAL,
    FilterInput,
    FilterVerdict,
    SyntheticFilter,
    synthetic_filter,
)
from supcon_ext.synthetic.reference_classifier import reference_classifier


@synthetic_filter("classifier_agreement", takes=("image", "vector"))
class ClassifierAgreement(SyntheticFilter):
    """Keeps samples in which a classifier of real samples sees their class.

    The classifier is a logistic regression on features of the trusted real training samples, each
    class weighing the same, so that rare ones are not overlooked. The score is the probability that
    it gives to the sample's class.

    Args:
        confidence: Least probability that is kept, where no other class has more.
        encoder: A finished run or ``timm:NAME`` that features are made by; null for what the whole
            chain uses: pixels, if nothing else is said.
    """

    requires = frozenset({"class"})

    def __init__(
        self,
        confidence: Annotated[float, Field(ge=0, le=1)] = 0.5,
        encoder: str | None = None,
    ) -> None:
        self.confidence = confidence
        self.encoder = encoder

    def judge(self, data: FilterInput) -> FilterVerdict:
        """What the classifier says."""
        features, label = data.features(self.encoder), data.synthetic.label
        counts = data.real.counts
        classifier = reference_classifier(features.real, features.label, len(counts))
        probability = classifier(features.synthetic)
        own = np.where(label < 0, 0, label)
        score = np.where(label < 0, 0, probability[np.arange(len(label)), own])
        return FilterVerdict.of(
            score.clip(0, 1),
            {
                NO_CLASS: label < 0,
                NO_REAL: counts[own] == 0,
                "the real classifier sees another class": probability.argmax(1) != label,
                f"the real classifier is less than {self.confidence:g} sure": score
                < self.confidence,
            },
        )
