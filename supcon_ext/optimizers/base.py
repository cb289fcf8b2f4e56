"""The family of optimisers."""

from __future__ import annotations

from torch.optim import Optimizer

from data_tools.registry import Registry

optimizer = Registry[Optimizer]("optimizer", "supcon_ext.optimizers")
"""Functions ``f(module, *, lr, weight_decay, decay_norm_and_bias, ...) -> Optimizer``."""
