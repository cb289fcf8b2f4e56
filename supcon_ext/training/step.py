"""The module that one training step runs: network and objective together."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from supcon_ext.models.network import Network, Outputs
from supcon_ext.objectives.base import Beliefs, Objective, StepBatch


class TrainingStep(nn.Module):
    """Images in, loss out. Every forward pass of a step happens inside, so that DDP sees one.

    Args:
        network: What is trained.
        objective: What is minimised; its parameters are trained too.
        view_names: Name of the group each view belongs to.
    """

    def __init__(self, network: Network, objective: Objective, view_names: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self.view_names = view_names

    def forward(
        self,
        images: Tensor,
        index: Tensor,
        samples: Beliefs,
        twin: Callable[[Tensor], Outputs] | None,
        epoch: int,
        step: int,
        progress: float,
        generator: torch.Generator,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of one batch and the numbers to log; arguments as :class:`StepBatch`."""
        batch = StepBatch(
            images,
            self.view_names,
            index,
            samples,
            self.network,
            twin,
            epoch,
            step,
            progress,
            generator,
        )
        loss: Tensor
        loss, stats = self.objective(batch)
        return loss, stats
