"""BCL's weights in a few lines, for the tests: one prototype a class, each class counts once."""

from __future__ import annotations

import torch
from torch import nn

from supcon_ext.losses import Rows, WeightPlan
from supcon_ext.losses.rows import PairWeights, Source, WeightingStep


class Balanced(PairWeights):
    """Class averaging over the global batch, prototypes included once."""

    def __init__(self, prototypes: torch.Tensor) -> None:
        self.prototypes = nn.functional.normalize(prototypes, dim=1)

    def columns(self, step: WeightingStep) -> Rows:
        return Rows.of(
            self.prototypes,
            torch.arange(len(self.prototypes)),
            index=torch.full((len(self.prototypes),), -1),
            uid=-2 - torch.arange(len(self.prototypes)),
            source=Source.PROTOTYPE,
        )

    def plan(self, step: WeightingStep, anchors: Rows, contrasts: Rows) -> WeightPlan:
        n = torch.bincount(contrasts.label, minlength=len(self.prototypes)).double()
        mine = n[anchors.label]
        same = torch.where(mine > 1, mine / (mine - 1), 1.0).log()
        return WeightPlan(
            anchor=1 / n[anchors.label], log_column=-n[contrasts.label].log(), log_same=same
        )
