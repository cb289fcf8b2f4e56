"""Weights from a file into an encoder, with a word on what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from data_tools.torch_file import load_torch_file

_WRAPPINGS = ("state_dict", "model", "model_state_dict")
_SHOWN = 3


def load_weights(network: nn.Module, path: Path) -> None:
    """Load a file of weights into a network that has no classifier.

    What the file holds beyond the network, a classifier say, is left.

    Args:
        network: Takes them.
        path: ``.safetensors``, or a file of ``torch.save`` that holds tensors alone.

    Raises:
        ValueError: It is neither, or weights of the network are missing, or of another shape.
    """
    found = read_weights(path)
    own = network.state_dict()
    missing = [name for name in own if name not in found]
    other = [
        f"{name} {tuple(found[name].shape)} for {tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in found and found[name].shape != tensor.shape
    ]
    if missing or other:
        lines = [f"{len(missing)} missing: {_few(missing)}"] if missing else []
        lines += [f"{len(other)} of another shape: {_few(other)}"] if other else []
        strangers = [name for name in found if name not in own]
        lines += [f"{len(strangers)} that it has no place for: {_few(strangers)}"]
        raise ValueError(
            f"Expected weights for all {len(own)} tensors of the encoder in {path}, but got "
            f"{'; '.join(lines)}. Try: the file of this architecture."
        )
    network.load_state_dict({name: found[name] for name in own})


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name; nothing in the file is run.

    Raises:
        ValueError: The file holds something else.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            found: dict[str, Tensor] = load_file(path)
        except SafetensorError as error:
            raise ValueError(
                f"Expected a whole .safetensors file, but {path} is none: {error}."
            ) from error
        return found
    content: Any = load_torch_file(path)
    for name in _WRAPPINGS:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not all(
        isinstance(value, torch.Tensor) for value in content.values()
    ):
        raise ValueError(
            f"Expected tensors by name in {path}, but got {type(content).__name__}. "
            "Try: torch.save(model.state_dict(), path)."
        )
    return {str(name).removeprefix("module."): value for name, value in content.items()}


def _few(names: list[str]) -> str:
    more = f", ... and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) or "none") + more
