"""Where an encoder's first weights come from, where they are not drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class FirstWeights:
    """What a run says of the weights that it began with.

    Attributes:
        source: The file, or the backbone that brings them.
        sha256: Of the file, else of the weights themselves.
        fit: How they fit, in words.
    """

    source: str
    sha256: str
    fit: str = ""


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 of tensors and their names, in 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(
            tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()
