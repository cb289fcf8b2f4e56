"""Soft assignments of a teacher's scores to prototypes, spread over all of them.

Letters: n rows of this process, K prototypes.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from supcon_ext.losses.gather import sum_over_processes, world_size


@torch.no_grad()
def sinkhorn_knopp(scores: Tensor, temperature: float, iterations: int = 3) -> Tensor:
    """Assignments in which every prototype has about the same share of the rows of all processes.

    ``exp(scores / temperature)``, whose columns (prototypes) and rows are brought to equal sums in
    turn (Caron et al. 2020, SwAV; in iBOT and SynCLR with three iterations). All of it in
    logarithms, so that no score is too large and no column sums to 0.

    Args:
        scores: ``(n, K)``; n may differ between processes.
        temperature: Of the exponential.
        iterations: How often.

    Returns:
        ``(n, K)``, float32 or wider; rows sum to 1.
    """
    log_q = scores.to(torch.promote_types(scores.dtype, torch.float32)) / temperature
    for _ in range(iterations):
        log_q = log_q - _log_sum_of_rows(log_q)
        log_q = log_q - log_q.logsumexp(1, keepdim=True)
    return log_q.exp()


def _log_sum_of_rows(log_q: Tensor) -> Tensor:
    """``(K,)`` logarithm of the sum over the rows of all processes."""
    lowest = log_q.new_full((1, log_q.shape[1]), torch.finfo(log_q.dtype).min)
    most = torch.cat([log_q, lowest]).amax(0)
    if world_size() > 1:
        dist.all_reduce(most, op=dist.ReduceOp.MAX)
    return most + sum_over_processes((log_q - most).exp().sum(0)).log()


@torch.no_grad()
def centred(scores: Tensor, centre: Tensor, temperature: float) -> Tensor:
    """Softmax of scores less their running mean (Caron et al. 2021, DINO).

    Args:
        scores: ``(n, K)``.
        centre: ``(K,)``.
        temperature: Of the softmax.
    """
    wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return ((wide - centre.to(wide.dtype)) / temperature).softmax(1)


@torch.no_grad()
def mean_of_all(scores: Tensor) -> Tensor:
    """``(K,)`` mean over the rows of all processes."""
    wide = scores.to(torch.promote_types(scores.dtype, torch.float32))
    total = torch.cat([wide.sum(0), wide.new_tensor([float(len(wide))])])
    total = sum_over_processes(total)
    return total[:-1] / total[-1].clamp(min=1)
