"""Views of all processes, so that every anchor meets every contrast of the global batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from supcon_ext.losses.rows import FIELDS, Rows


def world_size() -> int:
    """Number of processes of the job; 1 without torch.distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process_rank() -> int:
    """Number of this process; 0 without torch.distributed."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def gather_tensor(rows: Tensor, counts: list[int]) -> list[Tensor]:
    """Rows of every process; counts may differ."""
    longest = max(counts)
    padded = rows.new_zeros((longest, *rows.shape[1:]))
    padded[: len(rows)] = rows
    received = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(received, padded)
    return [part[:count] for part, count in zip(received, counts, strict=True)]


class _GatherWithGradient(torch.autograd.Function):
    """Concatenation over processes; backward sums over processes what each sends to a row."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int]) -> Tensor:
        rank = dist.get_rank()
        ctx.start, ctx.count = sum(counts[:rank]), counts[rank]
        return torch.cat(gather_tensor(rows.contiguous(), counts))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        total = grad.contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.start : ctx.start + ctx.count], None


def gather_rows(views: Rows) -> tuple[Rows, int]:
    """The rows of every process in the order of ranks, and where this process's rows start.

    Gradients flow back to the process that made a row, summed over all. Row ids (``uid``) are made
    unique across processes. Batches may differ in size; every process must call this the same
    number of times.
    """
    device = views.z.device
    own = torch.tensor([len(views)], device=device)
    sizes = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(sizes, own)
    counts = [int(size) for size in sizes]
    start = sum(counts[: dist.get_rank()])
    z: Tensor = _GatherWithGradient.apply(views.z, counts)
    columns = {name: torch.cat(gather_tensor(getattr(views, name), counts)) for name in FIELDS}
    columns["uid"] = torch.arange(sum(counts), device=device)
    further = {
        name: torch.cat(gather_tensor(views.columns[name], counts))
        for name in sorted(views.columns)
    }
    return Rows(z=z, **columns, columns=further), start


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of a tensor over all processes, detached; of one process, its own value."""
    value = value.detach()
    if world_size() > 1:
        value = value.clone()
        dist.all_reduce(value)
    return value


def global_mean(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The weighted mean of all processes' values; 0 where no weight is left.

    Args:
        values: ``(n,)`` or ``(n, C)`` of this process, with gradient.
        weight: ``(n,)`` >= 0, without.

    Returns:
        The mean, a scalar or ``(C,)``, the same in every process, whose gradient is right once the
        processes' gradients are averaged (as DistributedDataParallel does); and the sum of the
        weights.
    """
    local = (weight.view(-1, *[1] * (values.dim() - 1)) * values).sum(0)
    totals = sum_over_processes(torch.cat([local.flatten(), weight.sum()[None]]))
    mass = torch.where(totals[-1] > 0, totals[-1], torch.ones_like(totals[-1]))
    mean = local * (world_size() / mass)
    if world_size() > 1:
        mean = mean + (totals[:-1].view_as(local) / mass - mean).detach()
    return mean, totals[-1]
