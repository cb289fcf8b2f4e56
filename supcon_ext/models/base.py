"""What every encoder is: images or vectors in, one feature vector each out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self, cast

from torch import Tensor, nn

from data_tools.registry import Registry
from supcon_ext.models.first_weights import FirstWeights
from supcon_ext.models.memory_format import memory_format
from supcon_ext.models.own_input import OwnInput


class Backbone(nn.Module):
    """An encoder that tells the size of its features.

    Weights and images are kept in the order that is fastest, see :mod:`.memory_format`.

    Args:
        trunk: Maps images ``(B, C, H, W)``, or vectors ``(B, F)``, to features ``(B, dim)``.
        dim: Length of a feature vector.
        blocks: Names of the trunk's blocks for ``model.freeze``, in the order in which images pass
            them, each with the paths of its modules in the trunk; None reads them off the trunk,
            see :mod:`.blocks`.
        own_input: The images that published weights of this encoder were trained on; None where
            there are none.
        pretrained: Whether the weights are such, and not drawn.

    Attributes:
        memory_format: Order in which weights and images lie.
        first_weights: Where its first weights come from; None where they are drawn.
        still: Paths in the trunk of modules that stay in evaluation mode, as they are frozen.

    Raises:
        ValueError: ``dim`` is below 1.
    """

    def __init__(
        self,
        trunk: nn.Module,
        dim: int,
        *,
        blocks: Mapping[str, Sequence[str]] | None = None,
        own_input: OwnInput | None = None,
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        if dim < 1:
            raise ValueError(
                f"Expected a positive integer of argument `dim`, but got {dim}. "
                "Try: the length of the vectors that the trunk returns."
            )
        self.memory_format = memory_format(trunk)
        self.trunk = trunk.to(memory_format=self.memory_format)
        self.dim = dim
        self.blocks = blocks
        self.own_input = own_input
        self.pretrained = pretrained
        self.first_weights: FirstWeights | None = None
        self.still: tuple[str, ...] = ()

    def train(self, mode: bool = True) -> Self:
        """Go into training mode, all but what is frozen."""
        super().train(mode)
        for path in self.still:
            self.trunk.get_submodule(path).eval()
        return self

    @property
    def token_dim(self) -> int | None:
        """Length of the patch tokens that it hands out; None for an encoder without any.

        See :class:`~supcon_ext.models.tokens.TokenBackbone`.
        """
        return None

    def forward(self, images: Tensor) -> Tensor:
        """Encode a batch.

        Args:
            images: ``(B, C, H, W)`` or ``(B, F)`` float.

        Returns:
            ``(B, dim)`` float, in autocast's dtype where that is on.

        Raises:
            ValueError: The trunk returned another shape.
        """
        if images.ndim == 4:
            images = images.contiguous(memory_format=self.memory_format)
        features = cast(Tensor, self.trunk(images))
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise ValueError(
                f"Expected features of shape (batch, {self.dim}) from the trunk, but got "
                f"{tuple(features.shape)}. Try: pool and flatten in the trunk, or correct `dim`."
            )
        return features


backbone = Registry[Backbone]("backbone", "supcon_ext.models.backbones")
"""Functions ``f(channels: int, *, ...) -> Backbone``, for images of 1 to 16 channels; those that
are registered with ``takes=("vector",)`` are told the length of a vector instead."""
