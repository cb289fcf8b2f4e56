"""Low-rank adaptation of an encoder, through the peft library.

Source: Hu et al. 2022, "LoRA: low-rank adaptation of large language models", section 4.1.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, cast

from torch import nn

from data_tools.optional_package import optional_package
from supcon_ext.models.base import Backbone

KINDS = (nn.Linear, nn.Conv2d)
SHOWN = 12


def add_lora(
    backbone: Backbone, *, rank: int, alpha: float, targets: Sequence[str], dropout: float
) -> None:
    """Put low-rank updates beside layers of an encoder and freeze everything else of it.

    The second factor of each starts at 0: the encoder is at first what it was.

    Args:
        backbone: Changed in place; its own weights must be in it already.
        rank: Of the updates.
        alpha: They are multiplied by ``alpha / rank``.
        targets: Names of linear layers and convolutions, or how their names end: ``qkv``,
            ``attn.proj``.
        dropout: On what goes into the updates.

    Raises:
        ValueError: A target names no such layer, or peft cannot adapt it.
        ModuleNotFoundError: peft is not installed.
    """
    peft = optional_package("peft", "model.lora", "supcon-ext[lora]")
    trunk = backbone.trunk
    layers = [name for name, module in trunk.named_modules() if isinstance(module, KINDS)]
    chosen = [name for name in layers if any(_ends(name, target) for target in targets)]
    for target in targets:
        if not any(_ends(name, target) for name in layers):
            ends = list(dict.fromkeys(name.rpartition(".")[2] for name in layers))
            ends = ends if not all(end.isdigit() for end in ends) else layers
            more = ", ..." if len(ends) > SHOWN else ""
            raise ValueError(
                "Expected names or endings of linear layers and convolutions of the encoder in "
                f"model.lora.targets, but {target!r} names none. "
                f"Try: {', '.join(ends[:SHOWN])}{more}"
            )
    grouped = [name for name in chosen if getattr(trunk.get_submodule(name), "groups", 1) > 1]
    if grouped:
        raise ValueError(
            "Expected layers whose updates can be merged in model.lora.targets, but "
            f"{grouped[0]} is a convolution in groups. Try: convolutions that are not"
        )
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=chosen, lora_dropout=dropout)
    try:
        peft.inject_adapter_in_model(config, trunk)
    except (ValueError, NotImplementedError, TypeError, AssertionError) as error:
        kinds = {type(trunk.get_submodule(name)).__name__ for name in chosen}
        raise ValueError(
            f"Expected layers that peft adapts in model.lora.targets, but got {list(targets)} "
            f"({', '.join(sorted(kinds))}): {str(error) or type(error).__name__}. "
            "Try: torch's own linear layers and convolutions"
        ) from error
    for name, parameter in trunk.named_parameters():
        parameter.requires_grad_("lora_" in name)
    backbone.still = tuple(name for name, module in trunk.named_modules() if _is_still(module))
    backbone.train(backbone.training)


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _is_still(module: nn.Module) -> bool:
    """Whether a module has weights or statistics, and none of them is trained."""
    trains = any(parameter.requires_grad for parameter in module.parameters())
    return bool(module.state_dict()) and not trains


def merged(backbone: Backbone) -> Backbone:
    """The encoder with updates added to its own weights, under the names that it had without.

    Args:
        backbone: Left as it is; returned itself where it has no updates.
    """
    if not any(_is_adapted(module) for module in backbone.trunk.modules()):
        return backbone
    plain = copy.deepcopy(backbone)
    for name, module in list(plain.trunk.named_modules()):
        if _is_adapted(module):
            adapted = cast(Any, module)
            adapted.merge()
            parent, _, child = name.rpartition(".")
            setattr(plain.trunk.get_submodule(parent), child, adapted.get_base_layer())
    plain.still = ()
    return plain


def _is_adapted(module: nn.Module) -> bool:
    return hasattr(module, "lora_A") and hasattr(module, "merge")
