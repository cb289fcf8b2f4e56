"""Learning rates that fall from block to block of an encoder, and one of their own for heads.

The heads and whatever else is trained beside the encoder keep the optimiser's rate, or have
``head_lr``. The encoder's last block has ``layer_decay`` times the optimiser's, the one before
``layer_decay ** 2`` times, and so on.

Source: Bao et al. 2022, "BEiT: BERT pre-training of image transformers", appendix; the layers are
those of timm, where timm tells them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.optim import Optimizer

from supcon_ext.models.base import Backbone
from supcon_ext.models.blocks import block_places, blocks_of

HEAD = "head"


def spread_rates(
    made: Optimizer, module: nn.Module, layer_decay: float = 1.0, head_lr: float | None = None
) -> Optimizer:
    """Part the groups of a new optimiser by the learning rates of their parameters.

    Args:
        made: Any optimiser that has not made a step; its groups are changed.
        module: Whose parameters it holds; encoders are found by their type.
        layer_decay: In (0, 1]; 1 leaves the rates as they are.
        head_lr: Above 0; None leaves the heads' as it is.

    Returns:
        The optimiser. Each of its groups is one of those before, or a part of one.

    Raises:
        ValueError: A rate is out of bounds.
    """
    if not 0 < layer_decay <= 1:
        raise ValueError(
            f"Expected a number in (0, 1] of argument `layer_decay`, but got {layer_decay}. "
            "Try: 0.75, or 1 for one rate."
        )
    if head_lr is not None and not 0 < head_lr < float("inf"):
        raise ValueError(
            f"Expected a positive number of argument `head_lr`, but got {head_lr}. Try: 0.001."
        )
    if layer_decay == 1 and head_lr is None:
        return made
    steps = _steps_from_heads(module)
    parted = []
    for group in made.param_groups:
        parts: dict[int, list[Any]] = {}
        for parameter in group["params"]:
            parts.setdefault(steps.get(id(parameter), 0), []).append(parameter)
        for step in sorted(parts):
            lr = group["lr"] * layer_decay**step
            part = {**group, "params": parts[step], "lr": head_lr or lr if step == 0 else lr}
            if "name" in group:
                part["name"] = f"{group['name']} of {f'block -{step}' if step else HEAD}"
            parted.append(part)
    made.param_groups[:] = parted
    return made


def _steps_from_heads(module: nn.Module) -> dict[int, int]:
    """By a parameter's id, how many blocks before the heads it stands: 1 for the last block."""
    steps: dict[int, int] = {}
    for backbone in module.modules():
        if isinstance(backbone, Backbone):
            depth, heads = _depths(backbone)
            for name, parameter in backbone.trunk.named_parameters():
                steps[id(parameter)] = heads - depth[name]
    return steps


def _depths(backbone: Backbone) -> tuple[dict[str, int], int]:
    """The depth of each parameter of an encoder's trunk, and that of the heads."""
    trunk: Any = backbone.trunk
    if not hasattr(trunk, "group_matcher"):
        return block_places(backbone), max(1, len(blocks_of(backbone)))
    from timm.models import group_parameters

    named = _Named(trunk)
    depth = group_parameters(named, trunk.group_matcher(coarse=False), reverse=True)
    return depth, depth[named.head]


class _Named:
    """The names of a timm model's parameters and of the classifier that it was made without."""

    def __init__(self, trunk: Any) -> None:
        classifier = trunk.pretrained_cfg.get("classifier") or HEAD
        self.trunk = trunk
        self.head = f"{classifier if isinstance(classifier, str) else classifier[0]}.weight"

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        yield from self.trunk.named_parameters()
        yield self.head, None
