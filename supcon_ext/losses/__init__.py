"""The loss: one formula, computed plainly, in tiles, and over several processes."""

from supcon_ext.losses.pairs import PairTile, Source, Views, WeightPlan
from supcon_ext.losses.supcon import LossResult, SupConLoss

__all__ = ["LossResult", "PairTile", "Source", "SupConLoss", "Views", "WeightPlan"]
