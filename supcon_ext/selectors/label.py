"""SupCon's own rule: a positive has the same label."""

from torch import Tensor

from supcon_ext.losses.factors import Factors
from supcon_ext.losses.rows import PairTile, Rows
from supcon_ext.losses.supcon import SameLabel
from supcon_ext.selectors.base import PositiveSelector, selector


@selector("label")
class Label(PositiveSelector):
    """Positives share the working label (Khosla et al. 2020); the views of one sample always do."""

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` bool."""
        return SameLabel().targets(pairs)

    def factors(self, views: Rows) -> Factors:
        """The label; where it is unknown, the sample."""
        return SameLabel().factors(views)
