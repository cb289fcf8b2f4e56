"""The least of a smooth function, by full-batch L-BFGS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def minimise(
    free: Sequence[Tensor],
    loss: Callable[[], Tensor],
    *,
    steps: int,
    gradient: float,
    change: float = 0.0,
    history: int = 10,
) -> Tensor:
    """Change tensors in place until a loss is least.

    Args:
        free: What may change, each a leaf that requires a gradient; at the end it has that of the
            loss there.
        loss: Of ``free``: a number, or several of which the sum is made least.
        steps: At most so many, with twice as many evaluations.
        gradient: It ends where no entry of the gradient is larger,
        change: or where a step changes the sum, or no entry of ``free``, by more.
        history: Steps whose gradients are remembered, each two copies of ``free``; with as many as
            there are entries far fewer steps are taken.

    Returns:
        The loss at the end, detached.
    """
    optimizer = torch.optim.LBFGS(
        list(free),
        max_iter=steps,
        max_eval=2 * steps,
        tolerance_grad=gradient,
        tolerance_change=change,
        history_size=history,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.sum().backward()  # type: ignore[no-untyped-call]
        return value.detach()

    optimizer.step(lambda: closure().sum())  # type: ignore[no-untyped-call]
    return closure()
