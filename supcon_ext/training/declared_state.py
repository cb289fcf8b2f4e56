"""A member's state is what it declares: made before the first step, and read back by any process.

Whatever else becomes part of a module (a parameter set as an attribute, a buffer made late) stands
in a checkpoint that no fresh process can load. So it is refused after the first step, not at the
resume hours later.
"""

from __future__ import annotations

import io

import torch
from torch import nn

from data_tools.border import refuse
from data_tools.registry import any_part_name

EXTRA = "_extra_state"


def declared_keys(module: nn.Module) -> frozenset[str]:
    """Names of all that is in a module's state."""
    return frozenset(module.state_dict())


def check_declared(module: nn.Module, declared: frozenset[str]) -> None:
    """Refuse state that came or went since it was declared, and state that cannot be read back.

    Args:
        module: After a step of training.
        declared: :func:`declared_keys` of it before its first.

    Raises:
        ValueError: A member has other state than before, or state that is no plain data.
    """
    state = module.state_dict()
    for key in sorted(declared ^ set(state)):
        fault = "that came with the first step" if key in state else "that is gone since"
        raise refuse(
            _owner(module, key),
            "the state that `__init__` and `setup` declare",
            f"`{key}` {fault}",
            "register it there (register_buffer, nn.Parameter); what a step hands over is not kept",
        )
    for key, value in state.items():
        if key.endswith(EXTRA):
            check_plain(_owner(module, key), value)


def check_plain(part: str, state: object) -> None:
    """Refuse state that ``torch.load(weights_only=True)`` does not read.

    Args:
        part: Family and name of whose state it is.
        state: What its ``state_dict`` gave.

    Raises:
        ValueError: It holds more than tensors, numbers, texts, lists and dictionaries of them.
    """
    file = io.BytesIO()
    try:
        torch.save(state, file)
        file.seek(0)
        torch.load(file, weights_only=True)
    except Exception as error:
        raise refuse(
            part,
            "a state of tensors, numbers, texts, lists and dictionaries",
            f"one that cannot be saved and read back ({type(error).__name__})",
            "torch.from_numpy(...) for arrays, and plain types for objects",
        ) from error


def _owner(module: nn.Module, key: str) -> str:
    """Family and name of the innermost part on the way to a key."""
    owner, found = type(module).__name__, None
    at: nn.Module = module
    for name in key.split(".")[:-1]:
        child = at._modules.get(name)
        if child is None:
            break
        at, owner = child, type(child).__name__
        inner = getattr(child, "selector", None) if key.endswith(EXTRA) else None
        found = any_part_name(child) or found
        found = (inner is not None and any_part_name(inner)) or found
    return found or owner
