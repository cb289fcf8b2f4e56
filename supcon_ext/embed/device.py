"""The device that a user names."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric


def device_of(name: str | torch.device) -> torch.device:
    """A device by its name.

    Args:
        name: ``auto``, ``cpu``, ``cuda``, ``mps``, or one of torch's (``cuda:1``).

    Raises:
        ValueError: This machine has none such.
    """
    try:
        if name in ("auto", "cpu", "cuda", "mps"):
            return Fabric(accelerator=str(name), devices=1).device
        device = torch.device(name)
        torch.empty(1, device=device)
    except Exception as error:  # Lightning's own kind
        raise ValueError(
            f"Expected a device that this machine has, but got {name}: {error} Try: auto."
        ) from error
    return device
