"""A module's first weights, drawn anew."""

from __future__ import annotations

import copy

from torch import nn

from supcon_ext.models.network import Network
from supcon_ext.seeding import seeded_weights


def renew(module: nn.Module, seed: int, name: str) -> None:
    """Draw the weights of all parts of a module anew, from a seed and a name.

    Args:
        module: Stays on its device.
        seed: At least 0.
        name: Of the draw: another name, other weights.
    """
    device = next((parameter.device for parameter in module.parameters()), None)
    module.cpu()
    with seeded_weights(seed, name):
        for part in module.modules():
            start = getattr(part, "reset_parameters", None)
            if callable(start):
                start()
    if device is not None:
        module.to(device)


def network_like(network: Network, seed: int, name: str) -> Network:
    """A network of the same kind with weights of its own, on the CPU.

    Weights that were trained before are worth more than new ones: such an encoder is kept, and the
    heads alone are the network's own.
    """
    made = copy.deepcopy(network).cpu()
    if made.backbone.pretrained:
        for head, module in made.named_children():
            if head != "backbone":
                renew(module, seed, f"{name}/{head}")
    else:
        renew(made, seed, name)
    return made
