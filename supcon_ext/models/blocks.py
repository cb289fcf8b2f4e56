"""The blocks of an encoder, in the order in which images pass them.

A backbone may name them itself. Else they are read off the modules of its trunk that have weights:
``layer1.0``, ``blocks.11``, ``norm``. What stands in an ``nn.Sequential`` or ``nn.ModuleList``
counts one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from supcon_ext.models.base import Backbone


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        name: As recipes speak of it.
        paths: Its modules in the trunk.
    """

    name: str
    paths: tuple[str, ...]

    def holds(self, path: str) -> bool:
        """Whether a weight or module of the trunk belongs to it."""
        return any(path == own or path.startswith(f"{own}.") for own in self.paths)


def blocks_of(backbone: Backbone) -> list[Block]:
    """All blocks of an encoder, first to last; none where its trunk has no modules with weights."""
    if backbone.blocks is not None:
        return [Block(name, tuple(paths)) for name, paths in backbone.blocks.items()]
    return [Block(path, (path,)) for path in _paths(backbone.trunk)]


def block_places(backbone: Backbone) -> dict[str, int]:
    """The place of each parameter's block, by the parameter's name in the trunk.

    What stands in no block (a class token, a position embedding) goes with the first.
    """
    blocks = blocks_of(backbone)
    return {
        name: next((place for place, block in enumerate(blocks) if block.holds(name)), 0)
        for name, _ in backbone.trunk.named_parameters()
    }


def _paths(module: nn.Module, prefix: str = "") -> Iterator[str]:
    for name, child in module.named_children():
        if type(child) in (nn.Sequential, nn.ModuleList):
            yield from _paths(child, f"{prefix}{name}.")
        elif child.state_dict():
            yield f"{prefix}{name}"
