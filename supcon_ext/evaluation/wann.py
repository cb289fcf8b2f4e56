"""Weighted adaptive nearest neighbours: votes count by how reliable the voter's label is.

Shape letters: N training samples, Q queries, F features, K neighbours, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from supcon_ext.evaluation.base import Embedded, EvaluationInput, evaluator
from supcon_ext.evaluation.predictor import Predict, Predictor
from supcon_ext.selectors.reliability import adaptive_neighbours, check_neighbourhood

CHUNK_ELEMENTS = 1 << 24  # distances held at a time: 64 MB


@evaluator("wann")
@dataclass(frozen=True)
class WANN(Predictor):
    """Weighted adaptive nearest neighbours (Di Salvo et al. 2025, TMLR, WANN).

    Every training sample has a number k of neighbours: the least of kmin, kmin + 2, ... whose
    majority is its given label, or kmax where none is. Its reliability is 1 / k. On a query as many
    neighbours vote as the nearest one's k, each with its reliability. Features are standardised by
    the training samples, and near is what is near in Euclidean distance, as in the authors'
    program; the paper's reduction of dimensions (FLDA) is not done.

    What is ours: equal votes go to the lowest class, where theirs go to the class of the nearest;
    of fewer than kmax other samples, all are neighbours. Votes are no model's probabilities, so
    calibration error and likelihood are not reported.

    Args:
        kmin: The smallest neighbourhood.
        kmax: The largest.
    """

    kmin: Annotated[int, Field(ge=1)] = 11
    kmax: Annotated[int, Field(ge=2)] = 51

    probabilistic: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_neighbourhood(self.kmin, self.kmax)

    def fit(self, data: EvaluationInput) -> Predict:
        """Find the neighbourhood of every training sample.

        Raises:
            ValueError: Fewer than two training samples.
        """
        features, label, classes = data.train.features, data.train.label, len(data.classes)
        if len(features) < 2:
            raise ValueError(f"Expected at least 2 training samples, but got {len(features)}.")
        mean, std = features.mean(0), features.std(0, correction=0)
        std = torch.where(std > 0, std, 1.0)
        reference = (features - mean) / std
        label = label.to(features.device)
        near = nearest(reference, reference, self.kmax, own=True)
        number = adaptive_neighbours(label[near], label, classes, self.kmin, self.kmax)

        def predict(part: Embedded) -> Tensor:
            index = nearest((part.features - mean) / std, reference, self.kmax)
            voting = torch.arange(index.shape[1], device=index.device) < number[index[:, :1]]
            votes = torch.zeros(len(part), classes, device=index.device)
            votes.scatter_add_(1, label[index], voting / number[index])
            return votes / votes.sum(1, keepdim=True)

        return predict


def nearest(query: Tensor, reference: Tensor, neighbours: int, own: bool = False) -> Tensor:
    """The nearest reference rows of each query by Euclidean distance, the nearest first.

    Args:
        query: ``(Q, F)`` float.
        reference: ``(N, F)`` float.
        neighbours: K; capped at as many as there are.
        own: Whether query i is reference i, which is then no neighbour of itself.

    Returns:
        ``(Q, K)`` int64.
    """
    neighbours = min(neighbours, len(reference) - own)
    chunk = max(1, CHUNK_ELEMENTS // len(reference))
    square = reference.square().sum(1)
    found = []
    for start in range(0, len(query), chunk):
        rows = query[start : start + chunk]
        distance = torch.addmm(square, rows, reference.T, alpha=-2)  # less what a query adds
        if own:
            at = torch.arange(len(rows), device=rows.device)
            distance[at, start + at] = torch.inf
        found.append(distance.topk(neighbours, dim=1, largest=False).indices)
    return torch.cat(found)
