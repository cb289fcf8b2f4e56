"""Figures that say what noise and imbalance did to a training set."""

from __future__ import annotations

import numpy as np

from data_tools.samples import IntArray


def noise_rate(given: IntArray, truth: IntArray) -> float:
    """Share of given labels that are wrong; an open-set image's (-1) is wrong whatever it is."""
    return float(np.mean(given != truth)) if len(given) else 0.0


def imbalance_factor(counts: IntArray) -> float | None:
    """Largest class over smallest; None where a class is empty."""
    return float(counts.max() / counts.min()) if counts.min() > 0 else None
