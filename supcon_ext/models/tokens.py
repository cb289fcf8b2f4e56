"""Encoders that hand out a token for each patch of an image, and can be shown images with holes.

Letters: B batch, T = H W patches, F features, E embedding of a patch.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from supcon_ext.models.base import Backbone


class TokenBackbone(Backbone):
    """A vision transformer as timm builds them.

    Its trunk has ``patch_embed``, ``forward_features``, ``forward_head`` and
    ``num_prefix_tokens``, see :func:`gives_tokens`; arguments as of :class:`Backbone`.
    """

    @property
    def token_dim(self) -> int:
        """F, length of a patch token that it hands out."""
        return cast(int, self._trunk.num_features)

    @property
    def patch_dim(self) -> int:
        """E, length of the embedding that stands for a patch before the first block."""
        return cast(int, self._trunk.embed_dim)

    @property
    def _trunk(self) -> Any:
        return self.trunk

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of patches of an image of so many pixels."""
        high, wide = self._trunk.patch_embed.feat_ratio(as_scalar=False)
        return -(-height // high), -(-width // wide)

    def tokens(
        self, images: Tensor, mask: Tensor | None = None, mask_token: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encode a batch, patch by patch.

        Args:
            images: ``(B, C, height, width)`` float.
            mask: ``(B, T)`` bool, patches that are not shown; None shows all.
            mask_token: ``(E,)`` what stands in their place.

        Returns:
            ``(B, F)`` features, without a mask those of :meth:`forward`; ``(B, T, F)`` tokens.

        Raises:
            ValueError: The mask has another shape, or comes without a token.
        """
        trunk = self._trunk
        rows, columns = self.grid(*images.shape[-2:])
        count = len(images), rows * columns
        if mask is not None and (mask.shape != count or mask_token is None):
            raise ValueError(
                f"Expected `mask` of shape {count} and a `mask_token`, but got "
                f"{tuple(mask.shape)} and {type(mask_token).__name__}. Try: backbone.grid(...)"
            )

        def hidden(module: nn.Module, given: Any, embedded: Tensor) -> Tensor:
            if mask is None or mask_token is None:
                return embedded
            holes = mask.view(*embedded.shape[:-1], 1)
            return torch.where(holes, mask_token.to(embedded.dtype), embedded)

        handle = trunk.patch_embed.register_forward_hook(hidden)
        try:
            every = trunk.forward_features(images)
        finally:
            handle.remove()
        features = cast(Tensor, trunk.forward_head(every, pre_logits=True))
        return features, cast(Tensor, every[:, trunk.num_prefix_tokens :])


def gives_tokens(trunk: nn.Module) -> bool:
    """Whether a timm model is a transformer whose tokens stay what patches they were."""
    needed = ("patch_embed", "num_prefix_tokens", "forward_features", "forward_head", "embed_dim")
    return all(hasattr(trunk, name) for name in needed) and hasattr(trunk.patch_embed, "feat_ratio")
