"""One network in all processes: what one process alone has counted is taken from the first."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import nn

from supcon_ext.losses.gather import world_size


@torch.no_grad()
def agree(*modules: nn.Module | None) -> None:
    """Give every process the buffers of the first one; all processes must call it.

    Parameters are equal already, as every process takes the same steps. Buffers are not: batch
    normalisation counts its running statistics over its own process's rows. DDP begins each step
    with the first process's buffers, so its are the ones that training goes on with, and the ones
    to evaluate, to select by, to save and to export.

    Args:
        *modules: Networks and objectives; None is passed over.
    """
    if world_size() == 1:
        return
    for module in modules:
        for buffer in [] if module is None else module.buffers():
            dist.broadcast(buffer, src=0)
