"""What every one of several selectors takes."""

from __future__ import annotations

import torch
from torch import Tensor

from supcon_ext.selectors.base import selector
from supcon_ext.selectors.combination import Combination


@selector("all_of")
class AllOf(Combination):
    """Trusts samples and pairs as the least trusting of several selectors does.

    Args:
        members: Selectors; trust, score and targets are the smallest of theirs, the role is the
            most distant one (dropped before unlabelled before labelled).
    """

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """The smaller."""
        return torch.minimum(first, second)

    def join_roles(self, first: Tensor, second: Tensor) -> Tensor:
        """The larger."""
        return torch.maximum(first, second)
