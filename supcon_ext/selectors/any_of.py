"""What at least one of several selectors takes."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from data_tools.registry import Part
from supcon_ext.selectors.base import PositiveSelector, selector
from supcon_ext.selectors.combination import MEMBERS, Combination


@selector("any_of")
class AnyOf(Combination):
    """Trusts samples and pairs as the most trusting of several selectors does.

    Args:
        members: Selectors; trust, score and targets are the largest of theirs, the role is the
            nearest one (labelled before unlabelled before dropped).
    """

    def __init__(
        self,
        members: Annotated[
            list[Annotated[PositiveSelector | str, Part("selector")]], Field(min_length=1)
        ] = MEMBERS,
    ) -> None:
        super().__init__(members)

    def join(self, first: Tensor, second: Tensor) -> Tensor:
        """The larger."""
        return torch.maximum(first, second)

    def join_roles(self, first: Tensor, second: Tensor) -> Tensor:
        """The smaller."""
        return torch.minimum(first, second)
