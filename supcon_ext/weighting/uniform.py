"""SupCon's own weights: every contrast and every anchor weighs 1."""

from supcon_ext.losses.pairs import Views, WeightPlan
from supcon_ext.weighting.base import Weighting, WeightingStep, weighting


@weighting("uniform")
class Uniform(Weighting):
    """Every contrast and every anchor weighs 1 (Khosla et al. 2020)."""

    def plan(self, step: WeightingStep, anchors: Views, contrasts: Views) -> WeightPlan:
        """Nothing but defaults."""
        return WeightPlan()
