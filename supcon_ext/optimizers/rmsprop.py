"""RMSProp as TensorFlow computes it, the optimiser of SupCon's ImageNet runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from supcon_ext.optimizers.base import optimizer
from supcon_ext.optimizers.bounds import check_bounds
from supcon_ext.optimizers.parameter_groups import parameter_groups


@optimizer("rmsprop")
def rmsprop(
    module: nn.Module,
    *,
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.05,
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.9,
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9,
    eps: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0,
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-4,
    decay_norm_and_bias: bool = False,
) -> Optimizer:
    """RMSProp of TensorFlow: the average starts at 1 and ``eps`` is under the root.

    With gradient g: ``s = decay * s + (1 - decay) * g^2``, ``m = momentum * m + lr * g / sqrt(s +
    eps)``, ``w = w - m``. The weight decay is L2: it is added to the gradient. The defaults are
    those of Khosla et al. 2020's contrastive stage; their linear stage has eps 0.001. The step is
    timm's.

    Args:
        module: What to train.
        lr: Learning rate, above 0.
        decay: Coefficient of the average of squared gradients, in [0, 1).
        momentum: In [0, 1).
        eps: Added to the average under the root, above 0.
        weight_decay: At least 0.
        decay_norm_and_bias: Whether normalisation and bias parameters decay too.

    Raises:
        ValueError: A number is out of bounds, or nothing is trainable.
    """
    from timm.optim import RMSpropTF

    check_bounds(lr=lr, decay=decay, momentum=momentum)
    if not eps > 0:
        raise ValueError(f"Expected a positive number of argument `eps`, but got {eps}. Try: 1.0.")
    groups = parameter_groups(module, weight_decay, decay_norm_and_bias)
    made: Optimizer = RMSpropTF(groups, lr=lr, alpha=decay, momentum=momentum, eps=eps)
    return made
