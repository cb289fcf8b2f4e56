"""The cosine classifier.

Letters: B batch, F features, C classes.
"""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from supcon_ext.models.heads.base import Head, check_sizes, head
from supcon_ext.models.unit_rows import unit_rows


class CosineClassifier(Head):
    """Logits ``scale * cos(features, weight)``, float32 even under autocast.

    Zhu et al. 2022 (BCL) use it with scale 30 on ImageNet-LT and iNaturalist; LIFT (Shi et al.
    2024) on a frozen or lightly tuned encoder with scale 25 and the logit-adjusted loss:
    ``cross_entropy: {logit_adjustment: 1}``. The class vectors start as random directions of norm
    1; LIFT's start as the embeddings of the classes' names (CLIP) or as the classes' means.

    Args:
        in_dim: Length F of a feature vector.
        classes: Number C of classes.
        scale: Factor on the cosine, above 0; not learned.

    Raises:
        ValueError: A size is below 1 or the scale is not positive.
    """

    def __init__(self, in_dim: int, classes: int, scale: float = 30.0) -> None:
        check_sizes(in_dim=in_dim, classes=classes)
        super().__init__(classes)
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


@head("cosine")
def cosine(
    in_dim: int, classes: int, *, scale: Annotated[float, Field(gt=0)] = 30.0
) -> CosineClassifier:
    """The scaled cosine to one vector per class.

    Args:
        in_dim: Length of a feature vector.
        classes: Number of classes.
        scale: Factor on the cosine.
    """
    return CosineClassifier(in_dim, classes, scale)
