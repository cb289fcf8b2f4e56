"""Adam with decoupled weight decay, the optimiser of vision transformers."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from supcon_ext.optimizers.base import optimizer
from supcon_ext.optimizers.bounds import check_bounds
from supcon_ext.optimizers.parameter_groups import parameter_groups


@optimizer("adamw")
def adamw(
    module: nn.Module,
    *,
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.001,
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9,
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999,
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.05,
    decay_norm_and_bias: bool = False,
) -> Optimizer:
    """Adam with decoupled weight decay.

    Source: Loshchilov and Hutter 2019, "Decoupled weight decay regularization", Algorithm 2.

    Args:
        module: What to train.
        lr: Learning rate, above 0.
        beta1: Coefficient of the average of gradients, in [0, 1).
        beta2: Coefficient of the average of squared gradients, in [0, 1).
        weight_decay: At least 0; each step multiplies the weights by ``1 - lr * weight_decay``.
        decay_norm_and_bias: Whether normalisation and bias parameters decay too.

    Raises:
        ValueError: A number is out of bounds, or nothing is trainable.
    """
    check_bounds(lr=lr, beta1=beta1, beta2=beta2)
    groups = parameter_groups(module, weight_decay, decay_norm_and_bias)
    return torch.optim.AdamW(groups, lr=lr, betas=(beta1, beta2))
