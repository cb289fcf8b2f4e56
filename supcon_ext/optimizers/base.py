"""The family of optimisers, and what a recipe may say of every one of them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from torch import nn
from torch.optim import Optimizer

from data_tools.registry import Registry
from supcon_ext.optimizers.rates import spread_rates


class Rates:
    """Learning rates of a fine-tuned network: keys of every optimiser in a recipe.

    Attributes:
        layer_decay: Factor on the learning rate from each block of the encoder to the one before.
        head_lr: Learning rate of all that is not the encoder; null for the optimiser's.
    """

    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    head_lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @staticmethod
    def finish(made: Optimizer, module: nn.Module, **rates: Any) -> Optimizer:
        """An optimiser of the family with these rates.

        Args:
            made: What a member made.
            module: Of which.
            **rates: The keys above.
        """
        return spread_rates(made, module, **rates) if isinstance(made, Optimizer) else made


optimizer = Registry[Optimizer](
    "optimizer", "supcon_ext.optimizers", common=("layer_decay", "head_lr"), base=Rates
)
"""Functions ``f(module, *, lr, weight_decay, decay_norm_and_bias, ...) -> Optimizer``."""
