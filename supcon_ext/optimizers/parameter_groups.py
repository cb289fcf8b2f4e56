"""Which parameters decay and which do not."""

from __future__ import annotations

import math
from typing import Any

from torch import nn


def parameter_groups(
    module: nn.Module, weight_decay: float, decay_norm_and_bias: bool
) -> list[dict[str, Any]]:
    """Split trainable parameters for an optimiser, each exactly once, tied ones too.

    Normalisation scales and shifts and all biases are the parameters with fewer than two
    dimensions.

    Args:
        module: Whose parameters with ``requires_grad`` to train.
        weight_decay: Of the groups that decay, at least 0.
        decay_norm_and_bias: Whether normalisation and bias parameters decay too.

    Returns:
        Groups with keys ``name``, ``params``, ``weight_decay``; none is empty. Either one called
        ``all``, or ``weights`` and ``norm_and_bias``, where the second has a weight decay of 0.

    Raises:
        ValueError: The module has no trainable parameter, or the weight decay is negative.
    """
    if not 0 <= weight_decay < math.inf:
        raise ValueError(
            f"Expected a number of at least 0 of argument `weight_decay`, but got {weight_decay}. "
            "Try: 1e-4."
        )
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not trainable:
        raise ValueError(
            "Expected trainable parameters of argument `module`, but got none. "
            "Try: requires_grad_(True) on the part that should train."
        )
    if decay_norm_and_bias:
        return [{"name": "all", "params": trainable, "weight_decay": weight_decay}]
    groups = [
        {
            "name": "weights",
            "params": [parameter for parameter in trainable if parameter.ndim >= 2],
            "weight_decay": weight_decay,
        },
        {
            "name": "norm_and_bias",
            "params": [parameter for parameter in trainable if parameter.ndim < 2],
            "weight_decay": 0.0,
        },
    ]
    return [group for group in groups if group["params"]]
