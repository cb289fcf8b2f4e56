"""The loss: one formula, computed plainly, in tiles, and over several processes."""

from supcon_ext.losses.rows import PairTile, Rows, Source, WeightPlan
from supcon_ext.losses.supcon import LossResult, SupConLoss

__all__ = ["LossResult", "PairTile", "Rows", "Source", "SupConLoss", "WeightPlan"]
