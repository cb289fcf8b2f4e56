"""The classifier that was trained with the encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from data_tools.registry import family
from supcon_ext.evaluation.base import Embedded, EvaluationInput, evaluator
from supcon_ext.evaluation.fitted import Fitted
from supcon_ext.evaluation.predictor import Predictor


@evaluator("classifier")
@dataclass(frozen=True)
class Classifier(Predictor):
    """Softmax of the trained classifier's own logits."""

    requires: ClassVar[frozenset[str]] = frozenset({"logits"})
    needs_training: ClassVar[bool] = False

    @staticmethod
    def problems(
        params: Mapping[str, Any], stage: Mapping[str, Any], recipe: Mapping[str, Any]
    ) -> list[tuple[tuple[str, ...], str]]:
        """What is wrong where no stage of the recipe trains a classifier."""
        kinds = [
            kind for section in recipe["stages"] for item in section["objective"] for kind in item
        ]
        if any(getattr(family("term").get(k).target, "trains_classifier", False) for k in kinds):
            return []
        message = "Expected a stage with a term that trains the classifier, but got none. "
        return [((), message + "Try: linear_probe, or a cross_entropy term")]

    def fit(self, data: EvaluationInput) -> TrainedClassifier:
        """Nothing to fit: the classifier was trained with the encoder."""
        return TrainedClassifier()


@dataclass(frozen=True, eq=False)
class TrainedClassifier(Fitted):
    """Softmax of the logits that come with the features."""

    kind: ClassVar[str] = "classifier"

    def __call__(self, part: Embedded) -> Tensor:
        """See :class:`~supcon_ext.evaluation.fitted.Fitted`."""
        if part.logits is None:
            raise ValueError(
                "Expected logits of a trained classifier for evaluator `classifier`, but got none: "
                "no stage trains one. Try: a `cross_entropy` term in the objective, or "
                "`linear_probe`."
            )
        return F.softmax(part.logits, dim=1)
