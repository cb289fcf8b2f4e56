"""A function in several processes that exchange tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from tests.fresh import start


def in_processes(work: Callable[..., Any], count: int, folder: Path, *arguments: Any) -> list[Any]:
    """What each of ``count`` processes returns, by rank.

    Args:
        work: Module-level, ``work(rank, *arguments)``; its answer is saved with ``torch.save``.
        count: Processes.
        folder: Empty; for their meeting and their answers.
        *arguments: Of ``work``.
    """
    started = [start(_member, work, rank, count, folder, arguments) for rank in range(count)]
    for each in started:
        assert each.wait() == 0, each.stderr
    return [torch.load(folder / f"{rank}.pt") for rank in range(count)]


def _member(
    work: Callable[..., Any], rank: int, count: int, folder: Path, arguments: tuple[Any, ...]
) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=count
    )
    torch.save(work(rank, *arguments), folder / f"{rank}.pt")
    distributed.barrier()  # who leaves while another still talks to him has his threads aborted
    distributed.destroy_process_group()
