"""What a term with a weighting tells it of a step, and which of its rows are anchors."""

from __future__ import annotations

from torch import Tensor

from supcon_ext.losses.rows import Rows, WeightingStep
from supcon_ext.objectives.batch import Samples, StepBatch, meant_by
from supcon_ext.weightings.base import Weighting


def weighting_step(
    batch: StepBatch, rows: Rows, weighting: Weighting, temperature: float
) -> WeightingStep:
    """The step as a weighting sees it.

    Args:
        batch: The step.
        rows: Of the batch, as the loss compares them.
        weighting: Knows the number of classes.
        temperature: tau of the loss.
    """
    classes = weighting.classes or int(batch.beliefs.label.max()) + 1
    return WeightingStep(
        rows,
        temperature,
        class_vectors=batch.class_vectors,
        counts=batch.beliefs.trusted_counts(max(classes, 1)),
        epoch=batch.epoch,
        progress=batch.progress,
        generator=batch.generator,
    )


def anchors_of(rows: Rows, samples: Samples) -> Tensor | None:
    """``(N,)`` 1 for rows that are anchors, 0 for others; None where all are."""
    meant = meant_by(samples, rows.trust, rows.source)
    return None if meant is None else meant.float()
