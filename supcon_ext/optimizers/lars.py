"""Layer-wise adaptive rate scaling, for batches of thousands."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from supcon_ext.optimizers.base import optimizer
from supcon_ext.optimizers.bounds import check_bounds
from supcon_ext.optimizers.parameter_groups import parameter_groups


@optimizer("lars")
def lars(
    module: nn.Module,
    *,
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.4,
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9,
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-4,
    decay_norm_and_bias: bool = False,
    trust: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.001,
) -> Optimizer:
    """SGD with momentum whose step is scaled layer by layer (large batches).

    With weights w and gradient g of one layer, the step follows ``trust * |w| / (|g| + weight_decay
    * |w|) * (g + weight_decay * w)``. Normalisation and bias parameters take plain SGD steps,
    unless they decay: then they are scaled too. The scaling stays on where the weight decay is 0.

    Source: You et al. 2017, "Large batch training of convolutional networks", Eq. 6 and Algorithm
    1; the step is timm's.

    Args:
        module: What to train.
        lr: Learning rate, above 0. Khosla et al. 2020 use 0.2 to 0.4 times (batch size / 256).
        momentum: In [0, 1).
        weight_decay: At least 0. Khosla et al. 2020 use 1e-4 to 1e-3.
        decay_norm_and_bias: Whether normalisation and bias parameters decay and are scaled too.
        trust: Trust coefficient, above 0.

    Raises:
        ValueError: A number is out of bounds, or nothing is trainable.
    """
    from timm.optim import Lars

    check_bounds(lr=lr, momentum=momentum)
    if not trust > 0:
        raise ValueError(
            f"Expected a positive number of argument `trust`, but got {trust}. Try: 0.001."
        )
    groups = parameter_groups(module, weight_decay, decay_norm_and_bias)
    for group in groups:
        group["always_adapt"] = group["name"] != "norm_and_bias"
    made: Optimizer = Lars(groups, lr=lr, momentum=momentum, trust_coeff=trust)
    return made
