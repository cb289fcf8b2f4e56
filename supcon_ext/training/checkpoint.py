"""Checkpoints: written whole or not at all, and read without running code from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from data_tools.whole_file import whole_file

FORMAT = 1


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint; a kill at any moment leaves the former one or the new one.

    Args:
        path: Where to.
        state: Tensors, numbers, strings and containers of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft, draft.open("wb") as file:
        torch.save({"format": FORMAT, **state}, file)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU, with ``weights_only=True``.

    Raises:
        ValueError: There is none, or it is of another format.
    """
    if not path.is_file():
        raise ValueError(f"Expected a checkpoint at {path}, but there is none")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state.get("format") != FORMAT:
        raise ValueError(
            f"Expected a checkpoint of format {FORMAT} at {path}, but got {state.get('format')!r}"
        )
    return state
