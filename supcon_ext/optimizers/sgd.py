"""Stochastic gradient descent with momentum, the optimiser of the CIFAR experiments."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from supcon_ext.optimizers.base import optimizer
from supcon_ext.optimizers.bounds import check_bounds
from supcon_ext.optimizers.parameter_groups import parameter_groups


@optimizer("sgd")
def sgd(
    module: nn.Module,
    *,
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.05,
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9,
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-4,
    decay_norm_and_bias: bool = True,
) -> Optimizer:
    """SGD with momentum.

    The weight decay is L2: it is added to the gradient before the momentum.

    Args:
        module: What to train.
        lr: Learning rate, above 0.
        momentum: In [0, 1).
        weight_decay: At least 0.
        decay_norm_and_bias: Whether normalisation and bias parameters decay too.

    Raises:
        ValueError: A number is out of bounds, or nothing is trainable.
    """
    check_bounds(lr=lr, momentum=momentum)
    groups = parameter_groups(module, weight_decay, decay_norm_and_bias)
    return torch.optim.SGD(groups, lr=lr, momentum=momentum)
