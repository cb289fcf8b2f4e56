"""Batch norms apart for each source: real and synthetic rows have statistics of their own.

Pictures of a generator have other statistics than photographs; normalised together, each moves
those of the other.

Source: Xie et al. 2020, "Adversarial examples improve image recognition" (AdvProp), section 3, with
synthetic in place of adversarial rows.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from supcon_ext.models.batch_norms import BATCH_NORMS
from supcon_ext.models.network import Network
from supcon_ext.models.source_switch import SourceSwitch


class SourceNorm(nn.Module):
    """A batch norm for real rows, and its copy for synthetic ones.

    A source of which a batch has too few rows to measure is normalised by its running statistics,
    which stay as they are.

    Args:
        norm: Becomes that of real rows.
        switch: Tells which rows are synthetic.
    """

    def __init__(self, norm: nn.Module, switch: SourceSwitch) -> None:
        super().__init__()
        self.real = norm
        self.synthetic = copy.deepcopy(norm)
        self.switch = switch

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each row by its source's statistics."""
        synthetic = self.switch.synthetic
        if synthetic is None:
            return cast(Tensor, self.real(x))
        if len(synthetic) != len(x):
            raise ValueError(
                f"Expected the {len(synthetic)} rows of the batch in every batch norm beside "
                f"model.norms_by_source, but got {len(x)}. Try: model.norms_by_source=false"
            )
        parts = [(self.real, ~synthetic), (self.synthetic, synthetic)]
        made = [(rows, self._normalised(norm, x[rows])) for norm, rows in parts if rows.any()]
        out = torch.empty_like(x, dtype=made[0][1].dtype)
        for rows, part in made:
            out = out.index_put((rows,), part)
        return out

    @staticmethod
    def _normalised(norm: Any, x: Tensor) -> Tensor:
        values = x.numel() // x.shape[1]
        if not norm.training or values > 1 or norm.running_mean is None:
            return cast(Tensor, norm(x))
        return functional.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
        )


def separate_norms(network: Network) -> Network:
    """The network with every batch norm made two; first weights and statistics are equal.

    Args:
        network: Changed in place.

    Raises:
        ValueError: It has no batch norm.
    """
    switch = SourceSwitch()
    if not any(isinstance(part, BATCH_NORMS) for part in network.modules()):
        raise ValueError(
            "Expected a network with batch norms for model.norms_by_source, but got one without. "
            "Try: model.norms_by_source=false"
        )
    _separate(network, switch)
    network.sources = switch
    return network


def _separate(module: nn.Module, switch: SourceSwitch) -> None:
    for name, child in module.named_children():
        if isinstance(child, BATCH_NORMS):
            setattr(module, name, SourceNorm(child, switch))
        else:
            _separate(child, switch)


@contextmanager
def rows_by_source(network: Any, synthetic: Tensor | None) -> Iterator[None]:
    """While open, the network's passes are of rows of these sources.

    Args:
        network: A network or an EMA twin; one without norms by source is left alone.
        synthetic: ``(n,)`` bool; None where all are real.
    """
    switch = getattr(getattr(network, "network", network), "sources", None)
    if switch is None or synthetic is None:
        yield
        return
    switch.synthetic = synthetic
    try:
        yield
    finally:
        switch.synthetic = None
