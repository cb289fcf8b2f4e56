"""Times of several contenders, interleaved, so that a busy moment of the machine hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Times:
    """Seconds of the timed passes of one contender: median, quartiles, fastest, and how many."""

    median: float
    lower: float
    upper: float
    fastest: float
    runs: int


def interleaved(
    passes: Mapping[str, Callable[[], object]],
    repeats: int,
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Times]:
    """Time passes in rounds; each round runs every contender once, starting at another one.

    Args:
        passes: What to time, by name. Each is run once before, untimed.
        repeats: Rounds.
        seconds: A contender that has used up as much is left out of further rounds; each is timed
            once at least.
        clock: What is read; ``time.process_time`` leaves out what other programs take of the
            processor.
    """
    for run in passes.values():
        run()
    taken: dict[str, list[float]] = {name: [] for name in passes}
    names = list(passes)
    for number in range(repeats):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            if taken[name] and sum(taken[name]) >= seconds:
                continue
            begun = clock()
            passes[name]()
            taken[name].append(clock() - begun)
    return {name: _summary(values) for name, values in taken.items()}


def _summary(values: list[float]) -> Times:
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
    return Times(float(median), float(lower), float(upper), min(values), len(values))


def matmul_rate(device: str, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large square product, the best of several."""
    side = 8192 if device == "cuda" else 2048
    left, right = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))

    def multiply() -> None:
        torch.mm(left, right)
        if device == "cuda":
            torch.cuda.synchronize()

    multiply()
    best = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        multiply()
        best = min(best, time.perf_counter() - begun)
    return 2 * side**3 / best


def needed_operations(rows: int, dim: int) -> int:
    """Floating-point operations of the floor: two products of an N x D and a D x N matrix."""
    return 2 * 2 * rows * rows * dim
