"""Deferred re-weighting: another weighting takes over late in the stage."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from data_tools.registry import Part
from supcon_ext.losses.rows import Rows, WeightPlan
from supcon_ext.training_facts import TrainingFacts
from supcon_ext.weightings.base import Weighting, WeightingStep, weighting


@weighting("deferred")
class Deferred(Weighting):
    """All weigh alike until a share of the stage is done, then another weighting says (DRW).

    Cao et al. 2019 (LDAM-DRW) switch to class-balanced weights at epoch 160 of 200.

    Args:
        weighting: What takes over.
        start: Share of the stage before it does.
    """

    def __init__(
        self,
        weighting: Annotated[Weighting | str, Part("weighting")] = "effective_number",
        start: Annotated[float, Field(ge=0, le=1)] = 0.8,
    ) -> None:
        super().__init__()
        self.then: Weighting = _make(weighting)
        self.requires = self.then.requires
        self.start = start

    def setup(self, facts: TrainingFacts) -> None:
        """Set up what takes over."""
        super().setup(facts)
        self.then.setup(facts)

    def observe(self, step: WeightingStep) -> None:
        """Let what took over look."""
        if self._active(step):
            self.then.observe(step)

    def columns(self, step: WeightingStep) -> Rows | None:
        """Those of what took over."""
        return self.then.columns(step) if self._active(step) else None

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        """That of what took over; nothing but defaults before."""
        return self.then.plan(step, anchors, contrasts) if self._active(step) else WeightPlan()

    def _active(self, step: WeightingStep) -> bool:
        return step.progress >= self.start


def _make(value: Weighting | str) -> Weighting:
    return weighting.make(value)
