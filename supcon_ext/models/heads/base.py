"""What every head is: feature vectors in, one vector each out.

Any head can be a recipe's ``model.projector``, whose vectors the network scales to norm 1 for the
contrastive terms, or its ``model.classifier``, whose vectors are the logits.
"""

from __future__ import annotations

from torch import Tensor, nn

from data_tools.registry import Registry


class Head(nn.Module):
    """A head that tells the size of its vectors.

    A subclass adds ``forward``: features ``(B, F)`` to vectors ``(B, D)``.

    Args:
        dim: Length D of what it gives.

    Raises:
        ValueError: The length is below 1.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        check_sizes(dim=dim)
        self.dim = dim

    @property
    def weight_CF(self) -> Tensor | None:
        """As a classifier, one vector ``(C, F)`` a class among the features; None has none."""
        return None


def check_sizes(**sizes: int) -> None:
    """Refuse lengths that are below 1.

    Raises:
        ValueError: One of them is.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(
                f"Expected a positive integer of argument `{name}`, but got {size}. Try: 1 or more."
            )


head = Registry[Head]("head", "supcon_ext.models.heads")
"""Functions ``f(in_dim: int, classes: int, *, ...) -> Head``: the length of a feature vector, and
the number of classes of the data, which a projector may leave alone."""
