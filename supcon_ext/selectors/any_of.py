"""What at least one of several selectors takes."""

from __future__ import annotations

import torch
from torch import Tensor

from supcon_ext.selectors.base import selector
from supcon_ext.selectors.combination import Combination


@selector("any_of")
class AnyOf(Combination):
    """Trusts samples and pairs as the most trusting of several selectors does.

    Args:
        members: Selectors; trust, score and targets are the largest of theirs, the role is the
            nearest one (labelled before unlabelled before dropped).
    """

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """The larger."""
        return torch.maximum(first, second)

    def join_roles(self, first: Tensor, second: Tensor) -> Tensor:
        """The smaller."""
        return torch.minimum(first, second)
