"""What a weighting is: how much contrasts and anchors weigh, in vectors, never in matrices."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from data_tools.registry import Registry
from supcon_ext.losses.counts import trusted_counts
from supcon_ext.losses.rows import Rows, WeightingStep, WeightPlan
from supcon_ext.training_facts import TrainingFacts


class Weighting(nn.Module, ABC):
    """Decides the contrast weights w and the anchor weights u of the loss.

    Parameters and buffers are trained and saved with the run. All of them are made in ``__init__``
    or :meth:`setup`, and buffers change in :meth:`observe` alone: what a step knows is handed to
    each method, and a weighting that keeps it as an attribute is refused by the trainer.

    Attributes:
        classes: Number of classes C, once :meth:`setup` was called; None leaves it to the labels.
        requires: What the selector beside it must give: ``posterior`` of its selection.
    """

    requires: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.classes: int | None = None

    def setup(self, facts: TrainingFacts) -> None:
        """Called once, before the stage's first step; buffers of the right size are made here."""
        self.classes = facts.classes

    def observe(self, step: WeightingStep) -> None:
        """Look at each batch of training, before :meth:`columns`; state changes here alone."""

    def columns(self, step: WeightingStep) -> Rows | None:
        """Extra contrasts for this batch, or None.

        Returns:
            Rows of unit norm with negative ``uid`` (so that none is a batch row's pair with
            itself).
        """
        return None

    @abstractmethod
    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        """The weights.

        Args:
            step: What is known of the step.
            anchors: A rows: the first A contrasts.
            contrasts: K rows: those of all processes, then the extra ones.

        Returns:
            Weights in vectors; None leaves the default of 1.
        """

    def counts(self, contrasts: Rows) -> Tensor | None:
        """``(C,)`` contrasts of each class that are trusted, without prototypes.

        Args:
            contrasts: K rows, views and queue of the global batch.

        Returns:
            The counts, see :func:`~supcon_ext.losses.counts.trusted_counts`; None where no label is
            known.
        """
        return trusted_counts(contrasts, self.classes)

    def sizes(self, step: WeightingStep, contrasts: Rows) -> Tensor | None:
        """``(C,)`` float64 training samples of each class that are trusted now, at least 1.

        Args:
            step: Knows them in training.
            contrasts: Are counted outside of training.

        Returns:
            The sizes; None where nothing is known.
        """
        known = self.counts(contrasts) if step.counts is None else step.counts
        return None if known is None else known.clamp(min=1).double()


__all__ = ["Weighting", "WeightingStep", "weighting"]

weighting = Registry[Weighting]("weighting", "supcon_ext.weightings")
