"""Checkpoints: whole or not written, each with a digest, and the one before is kept."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from data_tools.whole_file import whole_file, write_whole

FORMAT = 2
LAST = "last.pt"
PREVIOUS = "previous.pt"
BEST = "best.pt"
_MARK = b"\nsupcon-ext sha256 "
_TRAILER = len(_MARK) + 64


class DamagedCheckpoint(ValueError):
    """A file that is not, or no longer, what was written as a checkpoint."""


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint; a kill at any moment leaves the former one or the new one.

    The digest of the file's content follows it in the file, so that the two cannot part.

    Args:
        path: Where to.
        state: Tensors, numbers, strings and containers of them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, _packed(state))


def save_generation(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the newest checkpoint of a run, and keep the one that was the newest.

    Args:
        folder: Of the run's checkpoints.
        state: As for :func:`save_checkpoint`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = _packed(state)
    with whole_file(folder / LAST) as draft:
        draft.write_bytes(content)
        if (folder / LAST).is_file():
            copy_whole(folder / LAST, folder / PREVIOUS)


def copy_whole(source: Path, target: Path) -> None:
    """Let a second name have a file's content, as a link where the file system knows links."""
    if target.exists() and source.samefile(target):
        return
    with whole_file(target) as draft:
        try:
            os.link(source, draft)
        except OSError:
            shutil.copyfile(source, draft)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU, with ``weights_only=True``, after its digest was checked.

    Raises:
        ValueError: There is none.
        DamagedCheckpoint: It is not as it was written: cut, changed, or something else.
    """
    if not path.is_file():
        raise ValueError(f"Expected a checkpoint at {path}, but there is none")
    content = path.read_bytes()
    payload, trailer = content[:-_TRAILER], content[-_TRAILER:]
    digest = trailer.removeprefix(_MARK)
    if digest == trailer or hashlib.sha256(payload).hexdigest().encode() != digest:
        raise DamagedCheckpoint(
            f"Expected a checkpoint at {path}, but the digest of its {len(content):,} bytes is not "
            "the one written with it: the file is damaged, or of another program"
        )
    state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    if state.get("format") != FORMAT:
        raise DamagedCheckpoint(
            f"Expected a checkpoint of format {FORMAT} at {path}, but got {state.get('format')!r}"
        )
    return state


def _packed(state: Mapping[str, Any]) -> bytes:
    """Made in memory: torch's own writer answers a full disk with an error that names nothing."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    payload = buffer.getvalue()
    return payload + _MARK + hashlib.sha256(payload).hexdigest().encode()
