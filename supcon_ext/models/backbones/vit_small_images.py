"""A small vision transformer for small images."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.tokens import TokenBackbone


@backbone("vit_small_images")
def vit_small_images(
    channels: int,
    *,
    image_size: Annotated[int, Field(ge=4, le=2**12)] = 32,
    patch: Annotated[int, Field(ge=1, le=64)] = 4,
    dim: Annotated[int, Field(ge=1, le=2**12)] = 192,
    depth: Annotated[int, Field(ge=1, le=64)] = 6,
    heads: Annotated[int, Field(ge=1, le=64)] = 3,
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0,
) -> Backbone:
    """Vision transformer of timm with small patches (32 pixels); 192 features.

    Hands out patch tokens. Takes images of any size: position embeddings are resampled, and what a
    size lacks to a multiple of the patch is padded.

    Args:
        channels: Channels of the images.
        image_size: Side in pixels that the position embeddings are made for.
        patch: Side of a patch in pixels.
        dim: Length of a token and of the features, a multiple of ``heads``.
        depth: Number of blocks.
        heads: Attention heads of a block.
        drop_path: Chance that a residual block is left out for an image in training (stochastic
            depth), in the last block; it falls to 0 in the first.

    Raises:
        ValueError: ``dim`` is no multiple of ``heads``.
    """
    from timm.models.vision_transformer import VisionTransformer

    if dim % heads:
        raise ValueError(
            f"Expected `dim` to be a multiple of `heads` ({heads}), but got {dim}. "
            f"Try: {heads * max(1, round(dim / heads))}"
        )
    trunk = VisionTransformer(
        img_size=image_size,
        patch_size=patch,
        in_chans=channels,
        num_classes=0,
        embed_dim=dim,
        depth=depth,
        num_heads=heads,
        drop_path_rate=drop_path,
        dynamic_img_size=True,
        dynamic_img_pad=True,
    )
    return TokenBackbone(trunk, dim)
