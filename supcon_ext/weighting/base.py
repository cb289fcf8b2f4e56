"""What a weighting is: how much contrasts and anchors weigh, in vectors, never in matrices."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from data_tools.registry import Registry
from supcon_ext.losses.pairs import Views, WeightPlan
from supcon_ext.training_facts import TrainingFacts


@dataclass(frozen=True, slots=True)
class WeightingStep:
    """What a weighting may know of a step, beside the batch.

    Attributes:
        class_vectors: ``(C, F)`` the classifier's weights, with gradient; None where there is none.
        counts: ``(C,)`` int64 training samples of each working label that are trusted: the given
            counts until something selects.
        epoch: Epochs of the stage that are done.
        progress: Share of the stage that is done, in [0, 1).
        generator: For random draws; kept in the checkpoint.
        temperature: tau of the loss, where it is known.
    """

    class_vectors: Tensor | None
    counts: Tensor
    epoch: int
    progress: float
    generator: torch.Generator
    temperature: float | None = None


class Weighting(nn.Module, ABC):
    """Decides the contrast weights w and the anchor weights u of the loss.

    Parameters and buffers are trained and saved with the run.

    Attributes:
        classes: Number of classes C, once :meth:`setup` was called; None leaves it to the labels.
        requires: What the selector beside it must give: ``posterior`` of its selection.
    """

    requires: frozenset[str] = frozenset()

    def __init__(self) -> None:
        super().__init__()
        self.classes: int | None = None
        self._sizes: Tensor | None = None

    def setup(self, facts: TrainingFacts) -> None:
        """Called once, before the stage's first step; buffers of the right size are made here."""
        self.classes, self._sizes = facts.classes, facts.counts

    def begin(self, step: WeightingStep) -> None:
        """Called before each step of training, before :meth:`columns`."""
        self._sizes = step.counts

    def sizes(self, counts: Tensor | None) -> Tensor | None:
        """``(C,)`` float64 training samples of each class that are trusted now, at least 1.

        Args:
            counts: Those of the batch, for a loss outside of training; None where unknown.
        """
        known = counts if self._sizes is None else self._sizes
        return None if known is None else known.clamp(min=1).double()

    def columns(self, batch: Views) -> Views | None:
        """Extra contrasts for this batch, or None.

        Args:
            batch: The rows of all processes.

        Returns:
            Rows of unit norm with negative ``uid`` (so that none is a batch row's pair with
            itself).
        """
        return None

    @abstractmethod
    def plan(self, anchors: Views, contrasts: Views, counts: Tensor | None) -> WeightPlan:
        """The weights.

        Args:
            anchors: A rows: the first A contrasts.
            contrasts: K rows: those of all processes, then the extra ones.
            counts: ``(C,)`` int64 contrasts of each class that are trusted (above 0.5), views and
                queue of the global batch, without prototypes; None where no label is known.

        Returns:
            Weights in vectors; None leaves the default of 1.
        """


weighting: Registry[Weighting] = Registry("weighting", "supcon_ext.weighting")
