"""SupCon's own weights: every contrast and every anchor weighs 1."""

from supcon_ext.losses.rows import Rows, WeightPlan
from supcon_ext.weightings.base import Weighting, WeightingStep, weighting


@weighting("uniform")
class Uniform(Weighting):
    """Every contrast and every anchor weighs 1 (Khosla et al. 2020)."""

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        """Nothing but defaults."""
        return WeightPlan()
