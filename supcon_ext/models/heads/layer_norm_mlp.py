"""The projector and the predictor of SynCLR.

Letters: B batch, F features, D output.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, cast

from pydantic import Field
from torch import Tensor, nn

from supcon_ext.models.heads.base import Head, check_sizes, head
from supcon_ext.models.heads.truncated import TruncatedLinear

Width = Annotated[int, Field(ge=1, le=2**16)]


class LayerNormMLP(Head):
    """Linear layers, each with layer normalisation; GELU between them.

    The last has no bias, and its normalisation no scale and shift. No row depends on another, so
    that views and captions of a batch share nothing.

    Args:
        in_dim: Length F of a feature vector.
        hidden: Width of the hidden layers.
        dim: Length D of what it gives.
        layers: Number of linear layers.

    Raises:
        ValueError: An argument is below 1.
    """

    def __init__(self, in_dim: int, hidden: int = 4096, dim: int = 256, layers: int = 3) -> None:
        super().__init__(dim)
        check_sizes(in_dim=in_dim, hidden=hidden, layers=layers)
        sizes = [in_dim, *[hidden] * (layers - 1)]
        parts: list[nn.Module] = []
        for before, after in pairwise(sizes):
            parts += [TruncatedLinear(before, after), nn.LayerNorm(after), nn.GELU()]
        last = TruncatedLinear(sizes[-1], dim, bias=False)
        self.layers = nn.Sequential(*parts, last, nn.LayerNorm(dim, elementwise_affine=False))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` to ``(B, D)``."""
        return cast(Tensor, self.layers(features))


@head("layer_norm_mlp")
def layer_norm_mlp(
    in_dim: int,
    classes: int,
    *,
    hidden: Width = 4096,
    dim: Width = 256,
    layers: Annotated[int, Field(ge=1, le=64)] = 3,
) -> LayerNormMLP:
    """Multi-layer perceptron with layer normalisation and GELU, as SynCLR (Tian et al. 2023) has.

    Three layers as its projector, two as its predictor.

    Args:
        in_dim: Length of a feature vector.
        classes: Number of classes.
        hidden: Width of the hidden layers.
        dim: Length of an embedding.
        layers: Number of linear layers.
    """
    return LayerNormMLP(in_dim, hidden, dim, layers)
