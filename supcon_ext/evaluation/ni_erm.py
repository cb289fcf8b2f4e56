"""The linear head that takes no notice of the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from supcon_ext.evaluation.base import EvaluationInput, evaluator
from supcon_ext.evaluation.linear_probe import LinearProbe
from supcon_ext.evaluation.predictor import Predict, Predictor


@evaluator("ni_erm")
@dataclass(frozen=True)
class NoiseIgnorant(Predictor):
    """Logistic regression on frozen features as if no label were wrong (Zhu et al. 2024, NI-ERM).

    "Label Noise: Ignorance Is Bliss", NeurIPS 2024: what noise does to such a model is left to its
    penalty, which is chosen by accuracy on noisy labels. It is ``linear_probe`` with
    ``l2: validation``: standardised features, to convergence, up to 13 strengths, the validation
    split.
    The authors' program leaves the features as they are, chooses of 7 strengths and 4 numbers of
    iterations, by five-fold cross-validation on the training samples, and fits on all of them.

    Args:
        logit_adjustment: tau of the balanced head, as of ``linear_probe``; not of the paper, whose
            sets are balanced. The penalty is chosen before the adjustment.
    """

    logit_adjustment: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    @property
    def needs_validation(self) -> bool:
        """Always."""
        return True

    def fit(self, data: EvaluationInput) -> Predict:
        """Fit on the training samples, choose on the validation samples.

        Raises:
            ValueError: There is no validation split.
        """
        return LinearProbe(l2="validation", logit_adjustment=self.logit_adjustment).fit(data)
