"""What every one of several selectors takes."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from data_tools.registry import Part
from supcon_ext.selectors.base import PositiveSelector, selector
from supcon_ext.selectors.combination import MEMBERS, Combination


@selector("all_of")
class AllOf(Combination):
    """Trusts samples and pairs as the least trusting of several selectors does.

    Args:
        members: Selectors; trust, score and targets are the smallest of theirs, the role is the
            most distant one (dropped before unlabelled before labelled).
    """

    def __init__(
        self,
        members: Annotated[
            list[Annotated[PositiveSelector | str, Part("selector")]], Field(min_length=1)
        ] = MEMBERS,
    ) -> None:
        super().__init__(members)

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """The smaller."""
        return torch.minimum(first, second)

    def join_roles(self, first: Tensor, second: Tensor) -> Tensor:
        """The larger."""
        return torch.maximum(first, second)
