"""SimCLR's rule: a positive is another view of the same image."""

from torch import Tensor

from supcon_ext.losses.pairs import PairTile
from supcon_ext.selectors.base import PositiveSelector, selector


@selector("instance")
class Instance(PositiveSelector):
    """Positives are the other views of the same sample (Chen et al. 2020, SimCLR)."""

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` bool."""
        return pairs.same("index")
