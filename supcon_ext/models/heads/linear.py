"""The linear classifier.

Letters: B batch, F features, C classes.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from supcon_ext.models.heads.base import Head, check_sizes, head


class LinearClassifier(Head):
    """Logits ``features @ weight.T + bias``.

    Args:
        in_dim: Length F of a feature vector.
        classes: Number C of classes.

    Raises:
        ValueError: An argument is below 1.
    """

    def __init__(self, in_dim: int, classes: int) -> None:
        check_sizes(in_dim=in_dim, classes=classes)
        super().__init__(classes)
        self.linear = nn.Linear(in_dim, classes)

    @property
    def weight_CF(self) -> Tensor:
        """The class vectors, ``(C, F)``."""
        return self.linear.weight

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` to ``(B, C)``."""
        return cast(Tensor, self.linear(features))


@head("linear")
def linear(in_dim: int, classes: int) -> LinearClassifier:
    """A linear layer, one output a class.

    Args:
        in_dim: Length of a feature vector.
        classes: Number of classes.
    """
    return LinearClassifier(in_dim, classes)
