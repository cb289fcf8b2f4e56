"""Batch normalisation over the rows of all processes, in place of each process's own."""

from __future__ import annotations

from timm.layers import convert_sync_batchnorm

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
