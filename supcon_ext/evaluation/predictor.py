"""Evaluators that predict a class for every sample: fit once, score on a split, report alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from supcon_ext.evaluation import figures
from supcon_ext.evaluation.base import Embedded, EvaluationInput, Prediction, Report, Split
from supcon_ext.evaluation.metrics import accuracy_scores, confusion_matrix, scores
from supcon_ext.evaluation.per_class import per_class_table

Predict = Callable[[Embedded], Tensor]


class Predictor(ABC):
    """Base of evaluators that predict classes. A subclass is a frozen dataclass.

    :meth:`fit` is handed the input *without its test split*, so that nothing can be fitted to it or
    selected on it; the test samples are seen by the fitted function alone. A subclass that is equal
    to another (same class, same parameters) shares its fit on one input.

    Attributes:
        requires: ``{"logits"}`` where it needs a trained classifier, ``{"encoder"}`` where it
            trains a copy of the encoder.
        probabilistic: Whether its probabilities are a model's, so that calibration error and
            likelihood mean something; where not, the report leaves them out.
    """

    requires: ClassVar[frozenset[str]] = frozenset()
    probabilistic: ClassVar[bool] = True

    @property
    def needs_validation(self) -> bool:
        """Whether it selects on the validation split, and so cannot do without one."""
        return False

    @abstractmethod
    def fit(self, data: EvaluationInput) -> Predict:
        """Learn from ``data.train`` and select on ``data.validation``; ``data.test`` is None.

        Returns:
            A function from a split of N samples to their ``(N, C)`` float32 class probabilities.
        """

    def evaluate(self, data: EvaluationInput, split: Split) -> Report:
        """Scores, predictions, a per-class table, and figures of the classes on ``split``.

        Raises:
            ValueError: The split is absent.
        """
        part = data.part(split)
        if self not in data.fits:
            # A fit may need gradients even where the caller evaluates without.
            with torch.inference_mode(False), torch.enable_grad():
                data.fits[self] = self.fit(replace(data, test=None))
        predict: Predict = data.fits[self]
        prediction = Prediction(predict(part).cpu(), part.label.cpu())
        metrics = (
            scores(prediction, data.classes, data.groups)
            if self.probabilistic
            else accuracy_scores(prediction, data.groups)
        )
        table = per_class_table(prediction, data.train.label, data.classes, data.groups)

        def draw_confusion(path: Path) -> None:
            figures.confusion(path, confusion_matrix(prediction).numpy(), data.classes)

        def draw_bars(path: Path) -> None:
            figures.class_bars(path, table)

        def draw_sizes(path: Path) -> None:
            figures.class_sizes(path, table)

        return Report(
            metrics=metrics,
            predictions={split: prediction},
            figures={
                "confusion_matrix": draw_confusion,
                "per_class_accuracy": draw_bars,
                "accuracy_by_class_size": draw_sizes,
            },
            tables={"per_class": table},
        )
