"""SupCon's own weights: every contrast and every anchor weighs 1."""

from torch import Tensor

from supcon_ext.losses.pairs import Views, WeightPlan
from supcon_ext.weighting.base import Weighting, weighting


@weighting("uniform")
class Uniform(Weighting):
    """Every contrast and every anchor weighs 1 (Khosla et al. 2020)."""

    def plan(self, anchors: Views, contrasts: Views, counts: Tensor | None) -> WeightPlan:
        """Nothing but defaults."""
        return WeightPlan()
