"""ProMix's class-wise selection: the same number of small losses of each class, and the certain."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.selectors.base import SampleBank, SampleSelector, Selection, selector
from supcon_ext.selectors.per_class import constant, rank_in_class


def smallest_per_class(loss: Tensor, label: Tensor, classes: int, fraction: float) -> Tensor:
    """Keep ``ceil(fraction * N / C)`` samples of small loss of each class; a smaller class whole.

    Args:
        loss: ``(N,)`` float.
        label: ``(N,)`` int64.
        classes: Number of classes C; those without samples count.
        fraction: In (0, 1].

    Returns:
        ``(N,)`` bool. Ties go to the smaller index.
    """
    number = math.ceil(fraction * len(loss) / classes - 1e-9)  # 0.1 * 30 is a little above 3
    return rank_in_class(-loss, label) < number


@selector("promix_css")
class PromixCss(SampleSelector):
    """Believes small losses of each class, and confident labels (Xiao et al. 2023, ProMix).

    Of each given label the same number is believed, those of small loss first; beyond them every
    sample whose given label the network predicts with more than ``confidence``. ProMix applies this
    second rule in each batch, to the predictions of that step; here it is applied at the refresh,
    to images that are not augmented, so that one selection holds for the whole epoch.

    Losses that are all the same keep every sample, with a warning. The score is the loss, negated.

    Args:
        fraction: Of all samples, that the first rule keeps where classes are large enough.
        confidence: Probability of the given label above which the second rule keeps a sample (0.95
            with 100 classes in the paper); 1 leaves the rule out.
    """

    requires = frozenset({"loss"})

    def __init__(
        self,
        fraction: Annotated[float, Field(gt=0, le=1)] = 0.5,
        confidence: Annotated[float, Field(ge=0, le=1)] = 0.99,
    ) -> None:
        self.fraction = fraction
        self.confidence = confidence

    def select(self, bank: SampleBank, epoch: int) -> Selection:
        """Apply both rules; the probability of the given label is exp(-loss)."""
        loss = bank.need("loss")
        if constant(loss):
            return Selection.of(bank.label, torch.ones_like(loss), {}, -loss)
        ranked = smallest_per_class(loss, bank.label, bank.classes, self.fraction)
        sure = loss.double().neg().exp() > self.confidence
        kept = ranked | sure
        stats = {"confident": float(kept.sum()), "by_confidence": float((sure & ~ranked).sum())}
        return Selection.of(bank.label, kept.float(), stats, -loss)
