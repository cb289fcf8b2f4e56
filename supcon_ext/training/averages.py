"""Means over the steps of an epoch, kept on the device until they are read."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Averages:
    """Running means of named numbers; saved, so that a resumed epoch ends with the same."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor]) -> None:
        """Take in one step's detached scalars."""
        for name, value in values.items():
            value = (
                value.detach().double() if value.device.type != "mps" else value.detach().float()
            )
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        """The mean of each number since the last reset."""
        return {name: float(total) / self._counts[name] for name, total in self._sums.items()}

    def reset(self) -> None:
        """Forget everything."""
        self._sums, self._counts = {}, {}

    def state_dict(self) -> dict[str, dict[str, float]]:
        """Sums and counts."""
        return {
            "sums": {name: float(total) for name, total in self._sums.items()},
            "counts": {name: float(count) for name, count in self._counts.items()},
        }

    def load_state_dict(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Go on from saved sums."""
        self._sums = {n: torch.tensor(v, dtype=torch.float64) for n, v in state["sums"].items()}
        self._counts = {name: int(count) for name, count in state["counts"].items()}
