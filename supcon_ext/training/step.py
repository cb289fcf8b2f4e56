"""The module that one training step runs: network and objective together."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from supcon_ext.feed.base import Batch
from supcon_ext.models.network import Network, Outputs
from supcon_ext.objectives.base import Beliefs, Objective, StepBatch


class TrainingStep(nn.Module):
    """Rows in, loss out. Every forward pass of a step happens inside, so that DDP sees one.

    Args:
        network: What is trained.
        objective: What is minimised; its parameters are trained too.
    """

    def __init__(self, network: Network, objective: Objective) -> None:
        super().__init__()
        self.network = network
        self.objective = objective

    def forward(
        self,
        groups: Batch,
        beliefs: Beliefs,
        twin: Callable[[Tensor], Outputs] | None,
        epoch: int,
        step: int,
        progress: float,
        generator: torch.Generator,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of one batch and the numbers to log; arguments as :class:`StepBatch`."""
        batch = StepBatch(groups, beliefs, self.network, twin, epoch, step, progress, generator)
        loss: Tensor
        loss, stats = self.objective(batch)
        return loss, stats
