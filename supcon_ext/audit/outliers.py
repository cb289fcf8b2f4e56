"""Samples that are like no other: far from all that a run was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from supcon_ext.selectors.neighbours import NeighbourGraph

NEAREST = 5
FENCE = 3.0
LEAST = 1e-6


@dataclass(frozen=True)
class Outliers:
    """How far each sample is from others.

    Attributes:
        distance: ``(N,)`` float64 mean cosine distance of features to the nearest five samples.
        usual: The median of those of samples that vote.
        far: ``(N,)`` bool, which are outliers.
    """

    distance: Tensor
    usual: float
    far: Tensor

    def order(self) -> list[int]:
        """Outliers, the farthest first."""
        order: list[int] = self.distance.argsort(descending=True, stable=True).tolist()
        far = self.far.tolist()
        return [number for number in order if far[number]]


def find_outliers(graph: NeighbourGraph, voters: int) -> Outliers:
    """Tell outliers by the distance to their nearest neighbours (Sun et al. 2022).

    A sample is one if the logarithm of its distance is more than three times the quartiles' spread
    above the upper quartile: Tukey's outer fence.

    Args:
        graph: Nearest neighbours by features.
        voters: How many samples, the first ones, set the fence.
    """
    nearest = graph.similarity[:, :NEAREST].double()
    distance = (1 - nearest).clamp(min=0).mean(1)
    scale = distance.clamp(min=LEAST).log()
    low, middle, high = scale[:voters].quantile(torch.tensor([0.25, 0.5, 0.75]).double()).tolist()
    far = scale > high + FENCE * (high - low)
    return Outliers(distance, float(torch.tensor(middle).exp()), far)
