"""The averaged twin of a network: an exponential moving average of its weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from supcon_ext.models.network import Network, Outputs

Tensors = tuple[Tensor, ...] | list[Tensor]


class EMATwin(nn.Module):
    """A slow copy of a network: ``twin = momentum * twin + (1 - momentum) * network``.

    Parameters and float buffers (BatchNorm's running statistics) are averaged, integer buffers
    (BatchNorm's batch counter) are copied. The twin begins as the network is at construction, in
    evaluation mode; the caller may put it into training mode, where BatchNorm uses the batch's own
    statistics. Nothing of it needs a gradient.

    Source: He et al. 2020, "Momentum contrast for unsupervised visual representation learning",
    Eq. 2.

    Args:
        network: The network to begin as.
        momentum: Share of the old average that is kept at each update, in [0, 1].

    Raises:
        ValueError: The momentum lies outside [0, 1].
    """

    def __init__(self, network: Network, momentum: float) -> None:
        super().__init__()
        if not 0 <= momentum <= 1:
            raise ValueError(
                f"Expected a number in [0, 1] of argument `momentum`, but got {momentum}. "
                "Try: 0.999."
            )
        self.average = AveragedModel(network, multi_avg_fn=_Average(momentum), use_buffers=True)
        self.average.update_parameters(network)  # counts the copy itself as the first average
        self.requires_grad_(False)
        self.eval()

    @property
    def network(self) -> Network:
        """The averaged network."""
        return cast(Network, self.average.module)

    def update(self, network: Network) -> None:
        """Take one step towards the network as it is now; call it after each optimiser step.

        Args:
            network: The network that the twin was made of.
        """
        self.average.update_parameters(network)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Outputs:
        """The averaged network's outputs, without gradients.

        Args:
            images: ``(B, C, H, W)`` float.
        """
        return cast(Outputs, self.average(images))


class _Average:
    """Average lists of float tensors, copy integer ones; all tensors of a list have one dtype."""

    def __init__(self, momentum: float) -> None:
        self.blend: Callable[[Tensors, Tensors, Tensor | int], None] = get_ema_multi_avg_fn(
            momentum
        )  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def __call__(self, averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        if averaged[0].is_floating_point():
            self.blend(averaged, current, count)
        else:
            for mine, theirs in zip(averaged, current, strict=True):
                mine.copy_(theirs)
