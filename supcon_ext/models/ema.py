"""The averaged twin of a network: an exponential moving average of its weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from supcon_ext.models.network import Network, Outputs
from supcon_ext.schedules.half_cosine import half_cosine

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
        end: The same at the run's end, which the momentum reaches along half a cosine (Grill et al.
            2020, BYOL); None keeps it as it is.

    Raises:
        ValueError: A momentum lies outside [0, 1].
    """

    def __init__(self, network: Network, momentum: float, end: float | None = None) -> None:
        super().__init__()
        for name, value in (("momentum", momentum), ("end", momentum if end is None else end)):
            if not 0 <= value <= 1:
                raise ValueError(
                    f"Expected a number in [0, 1] of argument `{name}`, but got {value}. "
                    "Try: 0.999."
                )
        self.momentum = momentum
        self.end = momentum if end is None else end
        self._blend = _Average(momentum)
        self.average = AveragedModel(network, multi_avg_fn=self._blend, use_buffers=True)
        self.average.update_parameters(network)  # counts the copy itself as the first average
        self.requires_grad_(False)
        self.eval()

    @property
    def network(self) -> Network:
        """The averaged network."""
        return cast(Network, self.average.module)

    def update(self, network: Network, progress: float = 0.0) -> None:
        """Take one step towards the network as it is now; call it after each optimiser step.

        Args:
            network: The network that the twin was made of.
            progress: Share of the run that was done before the step, in [0, 1].
        """
        if self.end != self.momentum:
            self._blend.momentum = half_cosine(self.momentum, self.end, progress)
        self.average.update_parameters(network)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Outputs:
        """The averaged network's outputs, without gradients.

        Args:
            images: ``(B, C, H, W)`` float.
        """
        return cast(Outputs, self.average(images))

    @torch.no_grad()
    def with_tokens(self, images: Tensor) -> tuple[Outputs, Tensor | None]:
        """The averaged network's :meth:`~supcon_ext.models.network.Network.with_tokens`."""
        return self.network.with_tokens(images)

    @torch.no_grad()
    def scores(self, features: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The averaged network's :meth:`~supcon_ext.models.network.Network.scores`."""
        return self.network.scores(features, tokens)

    @torch.no_grad()
    def token_scores(
        self, images: Tensor, mask: Tensor, mask_token: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The averaged network's :meth:`~supcon_ext.models.network.Network.token_scores`."""
        return self.network.token_scores(images, mask, mask_token)


class _Average:
    """Average lists of float tensors, copy integer ones; all tensors of a list have one dtype."""

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum

    @torch.no_grad()
    def __call__(self, averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        if averaged[0].is_floating_point():
            blend: Callable[[Tensors, Tensors, Tensor | int], None]
            blend = get_ema_multi_avg_fn(self.momentum)  # type: ignore[no-untyped-call]
            blend(averaged, current, count)
        else:
            for mine, theirs in zip(averaged, current, strict=True):
                mine.copy_(theirs)
