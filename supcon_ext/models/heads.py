"""What sits on the encoder: the projector of the contrastive loss, and two classifiers.

Letters: B batch, F features, D embedding, C classes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


def unit_rows(rows: Tensor) -> Tensor:
    """Rows scaled to L2 norm 1, in float32 or wider even under autocast; a zero row stays zero.

    Args:
        rows: ``(N, D)`` of any float dtype.
    """
    wide = rows.to(torch.promote_types(rows.dtype, torch.float32))
    return functional.normalize(wide, dim=1)


class Projector(nn.Module):
    """Multi-layer perceptron whose output rows have norm 1.

    Khosla et al. 2020 (section 3) use two layers; Zhu et al. 2022 (BCL) add batch normalisation
    between them; one layer is a linear map, as in Sel-CL (Li et al. 2022).

    Args:
        in_dim: Length F of a feature vector.
        hidden: Width of the hidden layers.
        dim: Length D of an embedding.
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
        super().__init__()
        _positive(in_dim=in_dim, hidden=hidden, dim=dim, layers=layers)
        self.dim = dim
        sizes = [in_dim, *[hidden] * (layers - 1)]
        parts: list[nn.Module] = []
        for before, after in pairwise(sizes):
            parts.append(nn.Linear(before, after, bias=not batch_norm))
            if batch_norm:
                parts.append(nn.BatchNorm1d(after))
            parts.append(nn.ReLU(inplace=True))
        self.layers = nn.Sequential(*parts, nn.Linear(sizes[-1], dim))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` to ``(B, D)`` unit-norm rows, float32 even under autocast."""
        return unit_rows(self.layers(features))


class LinearClassifier(nn.Module):
    """Logits ``features @ weight.T + bias``.

    Args:
        in_dim: Length F of a feature vector.
        classes: Number C of classes.

    Raises:
        ValueError: An argument is below 1.
    """

    def __init__(self, in_dim: int, classes: int) -> None:
        super().__init__()
        _positive(in_dim=in_dim, classes=classes)
        self.linear = nn.Linear(in_dim, classes)

    @property
    def weight_CF(self) -> Tensor:
        """The class vectors, ``(C, F)``."""
        return self.linear.weight

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` to ``(B, C)``."""
        return cast(Tensor, self.linear(features))


class CosineClassifier(nn.Module):
    """Logits ``scale * cos(features, weight)``, float32 even under autocast.

    Zhu et al. 2022 (BCL) use it with scale 30 on ImageNet-LT and iNaturalist. The class vectors
    start as random directions of norm 1.

    Args:
        in_dim: Length F of a feature vector.
        classes: Number C of classes.
        scale: Factor on the cosine, above 0; not learned.

    Raises:
        ValueError: A size is below 1 or the scale is not positive.
    """

    def __init__(self, in_dim: int, classes: int, scale: float = 30.0) -> None:
        super().__init__()
        _positive(in_dim=in_dim, classes=classes)
        if not scale > 0:
            raise ValueError(
                f"Expected a positive number of argument `scale`, but got {scale}. Try: 30."
            )
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(classes, in_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the class vectors anew."""
        with torch.no_grad():
            self.weight.copy_(unit_rows(torch.randn_like(self.weight)))

    @property
    def weight_CF(self) -> Tensor:
        """The class vectors as they are, not normalised, ``(C, F)``."""
        return self.weight

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` to ``(B, C)``."""
        with torch.autocast(features.device.type, enabled=False):
            return self.scale * (unit_rows(features) @ unit_rows(self.weight).T)


Classifier = LinearClassifier | CosineClassifier


def _positive(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(
                f"Expected a positive integer of argument `{name}`, but got {size}. Try: 1 or more."
            )
