"""No encoder at all: the vectors are the features."""

from __future__ import annotations

from torch import nn

from supcon_ext.models.base import Backbone, backbone


@backbone("identity", takes=("vector",))
def identity(width: int) -> Backbone:
    """Vectors as they are: with a linear head, a linear probe trained by SGD.

    Args:
        width: Length of a vector, which is that of the features.
    """
    return Backbone(nn.Identity(), dim=width)
