"""Processes as ``torchrun`` starts them, forked; and parts that fail in one of them alone."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from supcon_ext.models.base import Backbone, backbone
from tests import fresh
from tests.experiment.lean import without_drawing


def environment(rank: int, world: int, port: int) -> dict[str, str]:
    """What ``torchrun --nproc-per-node WORLD`` tells one of its processes."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(world),
        "GROUP_RANK": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_RUN_ID": "here",
        "OMP_NUM_THREADS": "1",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def torchrun(world: int, *arguments: str, cwd: Path, drawing: bool = True) -> list[fresh.Fresh]:
    """``torchrun --nproc-per-node WORLD -m supcon_ext ARGUMENTS``, to its end.

    Args:
        world: Processes.
        *arguments: Of the command.
        cwd: Where it runs.
        drawing: Whether it draws and traces, which takes longer than a short run.
    """
    port = free_port()
    started = [
        fresh.start(_supcon, arguments, drawing, cwd=cwd, env=environment(rank, world, port))
        for rank in range(world)
    ]
    for process in started:
        process.wait()
    return started


def _supcon(arguments: tuple[str, ...], drawing: bool) -> None:
    from supcon_ext.cli import main

    if not drawing:
        without_drawing()
    main(arguments, prog_name="supcon")


def together(world: int, work: Callable[..., Any], *arguments: Any) -> list[int]:
    """Run a function in processes that have joined one group; their exit statuses."""
    port = free_port()
    started = [
        fresh.start(_joined, work, arguments, env=environment(rank, world, port))
        for rank in range(world)
    ]
    codes = [process.wait() for process in started]
    assert not any(codes), [process.stderr for process in started]
    return codes


def _joined(work: Callable[..., Any], arguments: Any) -> None:
    torch.distributed.init_process_group("gloo")
    try:
        work(*arguments)
    finally:
        torch.distributed.destroy_process_group()


class Failing(nn.Module):
    """A small network that fails in its second step, in some processes."""

    def __init__(self, where: str, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(64 * channels, 8)
        self.where = where
        self.steps = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        rank = os.environ.get("RANK", "0")
        if self.training and self.steps == 2 and self.where in (rank, "all"):
            raise RuntimeError("the part broke")
        features: torch.Tensor = self.linear(images.flatten(1))
        return features


@backbone("failing")
def failing(channels: int, *, where: str) -> Backbone:
    """Fails where it is told to."""
    return Backbone(Failing(where, channels), 8)


SMALL = """
name: small
plugins: [tests.experiment.launched]
data: {dataset: {kind: digits, size: 8}, validation: 0.1}
model: {backbone: {kind: conv4, width: 8}, projector: {hidden: 16, dim: 8}, ema: 0.9}
stages:
  - name: train
    epochs: 2
    batch_size: 256
    objective: [cross_entropy]
    optimizer: {kind: sgd, lr: 0.1}
evaluation: [classifier, knn]
tracking: {uri: none}
compute: {accelerator: cpu}
"""
