"""Any encoder of the timm library, by its timm name."""

from __future__ import annotations

import difflib
from contextlib import nullcontext
from typing import Annotated, Any, cast

from pydantic import Field
from torch import nn

from supcon_ext.models.base import Backbone, backbone
from supcon_ext.models.fetching import fetching
from supcon_ext.models.own_input import OwnInput
from supcon_ext.models.tokens import TokenBackbone, gives_tokens


@backbone("timm")
def timm_model(
    channels: int,
    *,
    name: str,
    pretrained: bool = False,
    image_size: Annotated[int, Field(ge=1)] | None = None,
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.0,
) -> Backbone:
    """Any timm model without its classifier.

    Vision transformers that can be given another size than they were built for (views of several
    sizes) get their position embeddings resampled.

    Args:
        channels: Channels of the images.
        name: timm's name of the model, with or without a weights tag (``resnet26d``,
            ``vit_tiny_patch16_224``).
        pretrained: Download timm's weights; timm adapts the first layer to the channels. Mean, std
            and size of the images are then those of the weights, where the recipe says nothing.
        image_size: Side of the images in pixels, for models that fix it when built (vision
            transformers); None keeps the model's own.
        drop_path: Chance that a residual block is left out for an image in training (stochastic
            depth), in the last block; it falls to 0 in the first.

    Raises:
        ValueError: timm has no such model, its weights cannot be fetched, or the model takes no
            ``image_size`` or no ``drop_path``.
    """
    import timm

    if ":" not in name and not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3)
        raise ValueError(
            f"Expected a timm model of argument `name`, but got {name!r}. "
            f"Try: {', '.join(near) or 'timm.list_models() for all names'}."
        )
    settings: dict[str, Any] = {} if image_size is None else {"img_size": image_size}
    if drop_path:
        settings["drop_path_rate"] = drop_path

    def make(**more: Any) -> nn.Module:
        with fetching(f"timm's weights of {name}") if pretrained else nullcontext():
            made: nn.Module = timm.create_model(
                name, pretrained=pretrained, num_classes=0, in_chans=channels, **settings, **more
            )
        return made

    try:
        try:
            network = make(dynamic_img_size=True)
        except TypeError as error:
            if "dynamic_img_size" not in str(error):
                raise
            network = make()
    except TypeError as error:
        if image_size is not None and "img_size" in str(error):
            raise ValueError(
                f"Expected no argument `image_size` for `{name}`, which takes images of any size, "
                f"but got {image_size}. Try: leave it out."
            ) from error
        if drop_path and "drop_path_rate" in str(error):
            raise ValueError(
                f"Expected `drop_path` 0 for `{name}`, whose blocks are never left out, "
                f"but got {drop_path}. Try: leave it out."
            ) from error
        raise
    dim = getattr(network, "head_hidden_size", None) or network.num_features
    own = timm.data.resolve_model_data_config(network)
    side = own["input_size"][-1] if image_size is None else image_size
    kind = TokenBackbone if gives_tokens(network) else Backbone
    return kind(
        network,
        cast(int, dim),
        own_input=OwnInput(own["mean"], own["std"], side),
        pretrained=pretrained,
    )
