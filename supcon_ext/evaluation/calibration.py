"""Whether a predictor's confidence is what it is right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from data_tools.registry import Part
from supcon_ext.evaluation import figures
from supcon_ext.evaluation.base import EvaluationInput, Evaluator, Report, Split, evaluator
from supcon_ext.evaluation.metrics import (
    Reliability,
    brier_score,
    expected_calibration_error,
    negative_log_likelihood,
    reliability,
)


@evaluator("calibration")
class Calibration:
    """Calibration error, likelihood, Brier score and reliability diagram of another evaluator.

    Args:
        of: The evaluator whose predictions are judged; it has to predict classes.
        bins: Bins of confidence, of equal width (Guo et al. 2017 use 15).
    """

    def __init__(
        self,
        of: Annotated[Evaluator | str, Part("evaluator")] = "linear_probe",
        bins: Annotated[int, Field(ge=1)] = 15,
    ) -> None:
        self.of = evaluator.make(of)
        self.bins = bins

    @property
    def requires(self) -> frozenset[str]:
        """What the judged evaluator requires."""
        return self.of.requires

    @property
    def needs_validation(self) -> bool:
        """Whether the judged evaluator does."""
        return getattr(self.of, "needs_validation", False)

    @property
    def needs_training(self) -> bool:
        """Whether the judged evaluator is fitted on training samples."""
        return getattr(self.of, "needs_training", True)

    def evaluate(self, data: EvaluationInput, split: Split) -> Report:
        """Metrics ``ece``, ``nll`` and ``brier``; a figure and a table ``reliability``.

        Raises:
            ValueError: The split is absent, or the judged evaluator predicts no classes.
        """
        prediction = self.of.evaluate(data, split).predictions.get(split)
        if prediction is None:
            raise ValueError(
                "Expected an evaluator that predicts classes of argument `of` of `calibration`, "
                f"but got {type(self.of).__name__}. Try: linear_probe."
            )
        found = reliability(prediction, self.bins)
        ece = expected_calibration_error(prediction, self.bins)

        def draw(path: Path) -> None:
            figures.reliability_diagram(path, found, ece)

        return Report(
            metrics={
                "ece": ece,
                "nll": negative_log_likelihood(prediction),
                "brier": brier_score(prediction),
            },
            predictions={split: prediction},
            figures={"reliability": draw},
            tables={"reliability": _table(found)},
        )


def _table(found: Reliability) -> list[dict[str, Any]]:
    return [
        {
            "above": float(found.edges[m]),
            "up_to": float(found.edges[m + 1]),
            "count": count,
            "confidence": float(found.confidence[m]) if count else None,
            "accuracy": float(found.accuracy[m]) if count else None,
        }
        for m, count in enumerate(found.count.tolist())
    ]
