"""A step of some views of the same samples, for terms by themselves."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from supcon_ext.feed.base import Group
from supcon_ext.objectives.base import Beliefs, StepBatch


class ViewsOf(StepBatch):
    """V views of B samples.

    Args:
        images: ``(V, B, ...)``.
        names: Group of each view; views of a group stand beside each other.
        index: ``(B,)`` samples.
        beliefs: What is believed of all samples.
        network: As of :class:`StepBatch`, like the others.
    """

    def __init__(
        self,
        images: Tensor,
        names: tuple[str, ...],
        index: Tensor,
        beliefs: Beliefs,
        network: Any,
        twin: Any = None,
        epoch: int = 0,
        step: int = 0,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        groups, first = {}, 0
        for name, members in groupby(names):
            count = len(list(members))
            x = images[first : first + count].flatten(0, 1)
            groups[name] = Group(x, index.repeat(count), count)
            first += count
        generator = generator or torch.Generator().manual_seed(0)
        super().__init__(groups, beliefs, network, twin, epoch, step, progress, generator)
        self.images = images
        self.names = names
        self.index = index

    @property
    def label(self) -> Tensor:
        """``(B,)`` working labels."""
        return self.beliefs.label[self.index]

    @label.setter
    def label(self, value: Tensor) -> None:
        self.beliefs.label = self.beliefs.label.index_copy(0, self.index, value)

    @property
    def trust(self) -> Tensor:
        """``(B,)`` trust."""
        return self.beliefs.trust[self.index]

    @trust.setter
    def trust(self, value: Tensor) -> None:
        self.beliefs.trust = self.beliefs.trust.index_copy(0, self.index, value)

    def of_views(self, rows: Tensor) -> Tensor:
        """``(R, ...)`` as ``(V, B, ...)``."""
        return torch.unflatten(rows, 0, (len(self.names), -1))

    def partners(self, mix: Any) -> Tensor:
        """``(V, B)`` who each image is mixed with, by place in the batch."""
        first = len(self.index) * torch.arange(len(self.names))[:, None]
        return self.of_views(mix.partner) - first

    def shares(self, mix: Any) -> Tensor:
        """``(V,)`` the share of the image itself."""
        return self.of_views(mix.share)[:, 0]
