"""The head of DINO and iBOT: tokens to scores of many prototypes.

Letters: n tokens, F features, K prototypes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from supcon_ext.models.heads.base import Head, check_sizes, head
from supcon_ext.models.heads.truncated import TruncatedLinear
from supcon_ext.models.unit_rows import unit_rows

Width = Annotated[int, Field(ge=1, le=2**20)]


class DinoHead(Head):
    """Linear layers with GELU to a bottleneck, whose direction is compared with K prototypes.

    ``gain_k cos(bottleneck, prototype_k)``: a linear layer without bias, of unit rows, whose weight
    is normalised and has a learned gain of its own a row, at first 1 (Caron et al. 2021, DINO; as
    the code of SynCLR has it).

    Args:
        in_dim: Length F of a token.
        prototypes: K.
        hidden: Width of the hidden layers.
        bottleneck: Length of the vectors that are compared.
        layers: Number of linear layers up to the bottleneck.

    Raises:
        ValueError: An argument is below 1.
    """

    def __init__(
        self,
        in_dim: int,
        prototypes: int = 8192,
        hidden: int = 2048,
        bottleneck: int = 256,
        layers: int = 3,
    ) -> None:
        super().__init__(prototypes)
        check_sizes(in_dim=in_dim, hidden=hidden, bottleneck=bottleneck, layers=layers)
        parts: list[nn.Module] = []
        for before, after in pairwise([in_dim, *[hidden] * (layers - 1), bottleneck]):
            parts += [TruncatedLinear(before, after), nn.GELU()]
        self.layers = nn.Sequential(*parts[:-1])
        self.prototypes = nn.Parameter(torch.empty(prototypes, bottleneck))
        self.gain = nn.Parameter(torch.ones(prototypes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the prototypes anew, random directions."""
        with torch.no_grad():
            self.prototypes.copy_(unit_rows(torch.randn_like(self.prototypes)))
            self.gain.fill_(1.0)

    def forward(self, tokens: Tensor) -> Tensor:
        """``(n, F)`` to ``(n, K)``, float32 or wider even under autocast."""
        found = unit_rows(cast(Tensor, self.layers(tokens)))
        with torch.autocast(found.device.type, enabled=False):
            scores: Tensor = self.gain * (found @ unit_rows(self.prototypes).T)
        return scores


@head("dino")
def dino(
    in_dim: int,
    classes: int,
    *,
    prototypes: Width = 8192,
    hidden: Width = 2048,
    bottleneck: Width = 256,
    layers: Annotated[int, Field(ge=1, le=64)] = 3,
) -> DinoHead:
    """Scores of many prototypes, for `ibot`: MLP with GELU, unit vectors, weight-normed layer.

    The published iBOT and SynCLR models have 65,536 prototypes, the example of SynCLR's code 8,192.

    Args:
        in_dim: Length of a token.
        classes: Number of classes.
        prototypes: Number of prototypes.
        hidden: Width of the hidden layers.
        bottleneck: Length of the vectors that are compared with prototypes.
        layers: Number of linear layers up to the bottleneck.
    """
    return DinoHead(in_dim, prototypes, hidden, bottleneck, layers)
