"""Batch normalisation over the rows of all processes, in place of each process's own."""

from __future__ import annotations

from timm.layers import convert_sync_batchnorm
from timm.layers.norm_act import SyncBatchNormAct
from torch import Tensor, nn

from supcon_ext.models.network import Network


def synchronised(network: Network, device: str) -> Network:
    """The network with its batch norms exchanged for ones that see the batch of all processes.

    Weights, statistics and their names stay, so that checkpoints go between both.

    Args:
        network: Changed in place.
        device: Kind of device that it is trained on.

    Raises:
        ValueError: torch has no such batch norm for the CPU.
    """
    if device == "cpu":
        raise ValueError(
            "Expected GPUs for compute.sync_batch_norm in several processes, since torch has no "
            "such batch norm on the CPU, but got compute.accelerator cpu. "
            "Try: compute.sync_batch_norm=false, or compute.devices=1"
        )
    converted = convert_sync_batchnorm(network)
    if not isinstance(converted, Network):
        raise TypeError(f"Expected a Network, but got {type(converted).__name__}")
    return converted


class AloneBatchNorm(nn.SyncBatchNorm):
    """A batch norm that sees its own process's rows again; weights and statistics are as before."""

    def forward(self, input: Tensor) -> Tensor:
        """``(N, C, ...)`` normalised."""
        made: Tensor = nn.modules.batchnorm._BatchNorm.forward(self, input)
        return made


class AloneBatchNormAct(SyncBatchNormAct, AloneBatchNorm):  # type: ignore[misc]
    """The same of timm's, which has its activation in it."""


def alone(module: nn.Module) -> None:
    """Undo :func:`synchronised` in a copy that each process trains by itself, on equal rows.

    Args:
        module: Changed in place.
    """
    for each in module.modules():
        if type(each) is nn.SyncBatchNorm:
            each.__class__ = AloneBatchNorm
        elif type(each) is SyncBatchNormAct:
            each.__class__ = AloneBatchNormAct
