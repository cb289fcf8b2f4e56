"""Parts of an encoder that are not trained."""

from __future__ import annotations

from supcon_ext.models.base import Backbone
from supcon_ext.models.blocks import Block, blocks_of

ALL = "all"


def freeze(backbone: Backbone, up_to: str) -> None:
    """Leave the encoder's first blocks as they are: no gradient, always in evaluation mode.

    So batch norms there keep their statistics, and dropout there does nothing. An optimiser made
    afterwards does not know these parameters, so that no weight decay moves them either.

    Args:
        backbone: Changed in place.
        up_to: The last block that is frozen; a name that several begin with (``layer2`` of
            ``layer2.0`` and ``layer2.1``) stands for the last of them; ``all`` for every one.

    Raises:
        ValueError: No block has this name.
    """
    if up_to == ALL:
        backbone.requires_grad_(False)
        backbone.still = ("",)
    else:
        blocks = blocks_of(backbone)
        last = _last(blocks, up_to)
        frozen, rest = blocks[: last + 1], blocks[last + 1 :]
        for name, parameter in backbone.trunk.named_parameters():
            if not any(block.holds(name) for block in rest):
                parameter.requires_grad_(False)
        backbone.still = tuple(path for block in frozen for path in block.paths)
    backbone.train(backbone.training)


def _last(blocks: list[Block], name: str) -> int:
    found = [
        place
        for place, block in enumerate(blocks)
        if block.name == name or block.name.startswith(f"{name}.")
    ]
    if not found:
        names = ", ".join(block.name for block in blocks)
        raise ValueError(
            f"Expected `{ALL}` or a block of the encoder in model.freeze, but got {name!r}. "
            f"Try: {ALL}{names and f', {names}'}"
        )
    return found[-1]
