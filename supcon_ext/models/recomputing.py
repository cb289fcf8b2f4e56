"""Gradient checkpointing: blocks whose inner results are computed again for the backward pass.

timm's ``set_grad_checkpointing`` does the same for its models, but counts every batch twice in the
running statistics of batch norms. Here the numbers stay those of the plain network.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from supcon_ext.models.base import Backbone
from supcon_ext.models.batch_norms import BATCH_NORMS
from supcon_ext.models.blocks import blocks_of


def recompute_blocks(backbone: Backbone) -> None:
    """Let every block of an encoder that is more than one layer be computed again.

    Args:
        backbone: Changed in place; its weights and their names stay.

    Raises:
        ValueError: It has no such block.
    """
    paths = [path for block in blocks_of(backbone) for path in block.paths]
    inner = [module for path in paths for module in _units(backbone.trunk.get_submodule(path))]
    if not inner:
        raise ValueError(
            "Expected an encoder of several blocks for model.checkpointing, but each of its blocks "
            "is a single layer, which leaves nothing to compute again. "
            "Try: model.checkpointing=false"
        )
    for module in inner:
        module.forward = Recomputed(module)


def _units(module: nn.Module) -> list[nn.Module]:
    """A block, or the blocks that a container holds."""
    if type(module) is nn.Sequential:
        return [unit for child in module for unit in _units(child)]
    return [module] if any(True for _ in module.children()) else []


class Recomputed:
    """The ``forward`` of one module, run again when gradients are wanted.

    Args:
        module: Whose.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the module gives."""
        plain = type(self.module).forward
        if not (self.module.training and torch.is_grad_enabled()):
            return plain(self.module, *args, **kwargs)
        return checkpoint(
            plain, self.module, *args, use_reentrant=False, context_fn=self._contexts, **kwargs
        )

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _counted_already(self.module)


@contextmanager
def _counted_already(module: nn.Module) -> Iterator[None]:
    """Batch norms take the batch's statistics, as before, but count them in copies only."""
    norms = [part for part in module.modules() if isinstance(part, BATCH_NORMS) and part.training]
    own = [(norm, dict(norm._buffers)) for norm in norms]
    for norm, buffers in own:
        copies = {name: None if b is None else b.clone() for name, b in buffers.items()}
        norm._buffers.update(copies)
    try:
        yield
    finally:
        for norm, buffers in own:
            norm._buffers.update(buffers)
