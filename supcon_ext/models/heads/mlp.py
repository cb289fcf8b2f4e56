"""A multi-layer perceptron: the projector of the contrastive loss.

Letters: B batch, F features, D output.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, cast

from pydantic import Field
from torch import Tensor, nn

from supcon_ext.models.heads.base import Head, check_sizes, head

Width = Annotated[int, Field(ge=1, le=2**16)]


class MLP(Head):
    """Linear layers with ReLU, and batch normalisation if wanted, between them.

    Args:
        in_dim: Length F of a feature vector.
        hidden: Width of the hidden layers.
        dim: Length D of what it gives.
        layers: Number of linear layers, at least 1.
        batch_norm: Whether batch normalisation follows each hidden layer.

    Raises:
        ValueError: An argument is below 1.
    """

    def __init__(
        self,
        in_dim: int,
        hidden: int = 512,
        dim: int = 128,
        layers: int = 2,
        batch_norm: bool = True,
    ) -> None:
        super().__init__(dim)
        check_sizes(in_dim=in_dim, hidden=hidden, layers=layers)
        sizes = [in_dim, *[hidden] * (layers - 1)]
        parts: list[nn.Module] = []
        for before, after in pairwise(sizes):
            parts.append(nn.Linear(before, after, bias=not batch_norm))
            if batch_norm:
                parts.append(nn.BatchNorm1d(after))
            parts.append(nn.ReLU(inplace=True))
        self.layers = nn.Sequential(*parts, nn.Linear(sizes[-1], dim))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` to ``(B, D)``."""
        return cast(Tensor, self.layers(features))


@head("mlp")
def mlp(
    in_dim: int,
    classes: int,
    *,
    hidden: Width = 512,
    dim: Width | None = 128,
    layers: Annotated[int, Field(ge=1, le=64)] = 2,
    batch_norm: bool = True,
) -> MLP:
    """Multi-layer perceptron.

    Khosla et al. 2020 (section 3) use two layers; Zhu et al. 2022 (BCL) add batch normalisation
    between them; one layer is a linear map, as in Sel-CL (Li et al. 2022).

    Args:
        in_dim: Length of a feature vector.
        classes: Number of classes.
        hidden: Width of the hidden layers.
        dim: Length of an embedding; null for one number a class.
        layers: Number of linear layers.
        batch_norm: Whether a batch norm follows each hidden layer.
    """
    return MLP(in_dim, hidden, classes if dim is None else dim, layers, batch_norm)
