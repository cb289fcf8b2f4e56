"""A module's state whose every entry is a tensor, as safetensors asks."""

from __future__ import annotations

import io
from typing import Any

import torch
from torch import nn

_EXTRA = ("_extra_state", "term._extra_state")
_PACKED = "told"


def pack(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """Put what is no tensor in one: safetensors, which the Hugging Face Trainer writes, asks so."""
    file = io.BytesIO()
    torch.save({name: state.pop(prefix + name) for name in _EXTRA}, file)
    state[prefix + _PACKED] = torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8)


def unpack(
    module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any, *more: Any
) -> None:
    """Take it apart again, before torch looks at the state."""
    packed = state.pop(prefix + _PACKED, None)
    if packed is not None:
        file = io.BytesIO(packed.cpu().numpy().tobytes())
        found = torch.load(file, map_location="cpu", weights_only=True)
        state.update({prefix + name: found[name] for name in _EXTRA})
