"""The mean over refreshes of what is known of every sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


class RunningMean:
    """Mean of the values of all refreshes so far, the older weighing less.

    A value weighs ``decay`` to the power of its age, and the weights sum to 1. This is the
    exponential mean that starts from zero, divided by the sum of its weights.

    Args:
        decay: In [0, 1]; 1 is the plain mean.
    """

    def __init__(self, decay: float = 1.0) -> None:
        self.decay = decay
        self.total: Tensor | None = None
        self.weight = 0.0

    def add(self, values: Tensor) -> Tensor:
        """Take up one refresh's values.

        Args:
            values: ``(N, ...)`` float.

        Returns:
            The mean, of the same shape.

        Raises:
            ValueError: The shape is not that of the refresh before.
        """
        if self.total is None:
            self.total = values.clone()
        elif self.total.shape != values.shape:
            raise ValueError(
                f"Expected values of shape {tuple(self.total.shape)} at every refresh, but got "
                f"{tuple(values.shape)}. Try: a selector with a history before selectors that "
                "leave samples out"
            )
        else:
            self.total = self.decay * self.total + values
        self.weight = self.decay * self.weight + 1
        return self.total / self.weight

    def state_dict(self) -> dict[str, Any]:
        """Sum and weight."""
        return {"total": self.total, "weight": self.weight}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        self.total, self.weight = state["total"], float(state["weight"])
