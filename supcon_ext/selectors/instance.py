"""SimCLR's rule: a positive is another view of the same image."""

import torch
from torch import Tensor

from supcon_ext.losses.factors import Factors
from supcon_ext.losses.rows import PairTile, Rows
from supcon_ext.selectors.base import PositiveSelector, selector


@selector("instance")
class Instance(PositiveSelector):
    """Positives are the other views of the same sample (Chen et al. 2020, SimCLR)."""

    def targets(self, pairs: PairTile) -> Tensor:
        """``(A, K)`` bool."""
        return pairs.same("index")

    def factors(self, views: Rows) -> Factors:
        """The sample; a row that is of none stands alone."""
        return Factors(torch.where(views.index >= 0, views.index, -2 - views.uid.abs()))
