"""A multi-layer perceptron on the vectors of a frozen encoder."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn

from supcon_ext.models.base import Backbone, backbone

Width = Annotated[int, Field(ge=1, le=2**16)]


@backbone("mlp", takes=("vector",))
def mlp(
    width: int,
    *,
    hidden: Annotated[list[Width], Field(max_length=64)] | None = None,
    dim: Width = 256,
    batch_norm: bool = True,
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
) -> Backbone:
    """Vectors through linear layers, each with batch norm, ReLU and dropout.

    Args:
        width: Length of a vector.
        hidden: Widths of the layers before the last; null for none.
        dim: Width of the last layer: length of the features.
        batch_norm: Whether batch normalisation follows each linear layer.
        dropout: Share of each layer's numbers that are left out in training.
    """
    layers: list[nn.Module] = []
    before = width
    for after in (*(hidden or ()), dim):
        layers.append(nn.Linear(before, after, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm1d(after))
        layers.append(nn.ReLU(inplace=True))
        if dropout:
            layers.append(nn.Dropout(dropout))
        before = after
    return Backbone(nn.Sequential(*layers), dim=dim)
