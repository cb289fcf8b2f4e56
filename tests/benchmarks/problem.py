"""The batch that every contender gets, and one pass of a loss over it."""

from __future__ import annotations

import torch
from torch import Tensor

from tests.benchmarks.contenders import LossFunction

VIEWS = 2
SEED = 0


def batch(
    rows: int, dim: int, classes: int, device: str, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """``(rows / 2, 2, dim)`` features that ask for a gradient, and labels; from a fixed seed."""
    generator = torch.Generator().manual_seed(SEED)
    samples = rows // VIEWS
    labels = torch.randint(classes, (samples,), generator=generator)
    features = torch.randn(samples, VIEWS, dim, generator=generator)
    features = features.to(device=device, dtype=dtype).requires_grad_()
    return features, labels.to(device)


def forward_backward(loss: LossFunction, features: Tensor, labels: Tensor) -> Tensor:
    """One pass; the gradient is dropped, the value returned, and the device has finished."""
    features.grad = None
    value = loss(features, labels)
    value.backward()  # type: ignore[no-untyped-call]
    if features.is_cuda:
        torch.cuda.synchronize()
    return value.detach()
