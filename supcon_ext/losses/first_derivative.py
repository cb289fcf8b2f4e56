"""First derivatives only: a second one is an error, not a wrong number."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor


class _Barrier(torch.autograd.Function):
    """Lets a gradient through, and nothing back."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, *sources: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> None:
        raise RuntimeError(
            "Expected first derivatives of the supervised contrastive loss only, but got a request "
            "for second ones. Try: supcon_ext.losses.reference, which is plain autograd"
        )


def first_derivative_only(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator for ``backward``: computed without a graph; differentiating through it is an error.

    torch's own ``once_differentiable`` notices only what comes through the incoming gradient; here
    the saved tensors count too, so that a gradient penalty cannot be silently wrong.
    """

    @wraps(backward)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        with torch.no_grad():
            outputs = backward(ctx, *grads)
        if not torch.is_grad_enabled():
            return outputs
        known = [*ctx.saved_tensors, *grads]
        sources = [t for t in known if isinstance(t, Tensor) and t.requires_grad]
        return tuple(
            _Barrier.apply(part, *sources) if isinstance(part, Tensor) else part for part in outputs
        )

    return wrapper
