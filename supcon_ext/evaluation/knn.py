"""Weighted k nearest neighbours: what the embedding knows without any training on top.

Shape letters: N training samples, Q queries, F features, C classes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from supcon_ext.evaluation.base import Embedded, EvaluationInput, Space, evaluator
from supcon_ext.evaluation.fitted import Fitted
from supcon_ext.evaluation.predictor import Predictor

logger = logging.getLogger(__name__)

# One block of similarities; sorting one whose rows all tie takes five times as much in all.
BLOCK_BYTES = 48 * 2**20


@evaluator("knn")
@dataclass(frozen=True)
class KNN(Predictor):
    """Weighted vote of the k nearest training samples by cosine similarity.

    Wu et al. 2018, "Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
    section 3.4. Votes are no model's probabilities, so calibration error and likelihood are not
    reported.

    Args:
        k: Neighbours that vote; capped at the number of training samples.
        temperature: A neighbour of similarity s votes with ``exp(s / temperature)``.
        space: ``features`` of the backbone, or ``projection``: what the projector makes of them.
    """

    k: Annotated[int, Field(ge=1)] = 20
    temperature: Annotated[float, Field(gt=0)] = 0.07
    space: Space = "features"

    probabilistic: ClassVar[bool] = False

    def fit(self, data: EvaluationInput) -> FittedKNN:
        """Remember the training samples."""
        return FittedKNN(
            vectors=F.normalize(data.train.vectors(self.space), dim=1),
            label=data.train.label,
            classes=len(data.classes),
            k=self.k,
            temperature=self.temperature,
            space=self.space,
        )


@dataclass(frozen=True, eq=False)
class FittedKNN(Fitted):
    """The training samples that vote.

    Attributes:
        vectors: ``(N, F)`` float32, unit norm.
        label: ``(N,)`` int64 in ``[0, classes)``.
        classes: Number of classes.
        k: See :class:`KNN`.
        temperature: See :class:`KNN`.
        space: See :class:`KNN`.
    """

    vectors: Tensor
    label: Tensor
    classes: int
    k: int
    temperature: float
    space: Space

    kind: ClassVar[str] = "knn"

    def __call__(self, part: Embedded) -> Tensor:
        """See :class:`~supcon_ext.evaluation.fitted.Fitted`."""
        query = F.normalize(part.vectors(self.space), dim=1)
        return knn_probabilities(
            self.vectors, self.label, query, self.classes, self.k, self.temperature
        )


def knn_probabilities(
    train_features: Tensor,
    train_label: Tensor,
    query: Tensor,
    classes: int,
    k: int,
    temperature: float,
    chunk: int | None = None,
) -> Tensor:
    """Share of the vote that each class gets from the k most similar training samples.

    ``p(c) ~ sum over neighbours n of class c of exp(s_n / temperature)``. Of training samples that
    are exactly equally similar, the first ones are taken. The ``(Q, N)`` similarities are held a
    chunk of queries at a time.

    Args:
        train_features: ``(N, F)`` float32, unit norm.
        train_label: ``(N,)`` int64 in ``[0, classes)``.
        query: ``(Q, F)`` float32, unit norm.
        classes: Number of classes of the training labels, whichever of them the queries have.
        k: Neighbours; capped at N.
        temperature: Above 0.
        chunk: Queries at a time; by default as many as keep memory below 256 MB.

    Returns:
        ``(Q, classes)`` float32 on the CPU; rows sum to 1.

    Raises:
        ValueError: No training sample, ``k`` or ``chunk`` below 1, ``temperature`` not above 0, a
            label out of range.
    """
    count = len(train_features)
    if count == 0:
        raise ValueError("Expected at least one sample of argument `train_features`, but got none.")
    if k < 1 or temperature <= 0:
        raise ValueError(
            f"Expected `k` of 1 or more and `temperature` above 0, but got {k} and {temperature}. "
            "Try: k=20, temperature=0.07."
        )
    if chunk is not None and chunk < 1:
        raise ValueError(f"Expected 1 or more of argument `chunk`, but got {chunk}. Try: 256.")
    if int(train_label.min()) < 0 or int(train_label.max()) >= classes:
        raise ValueError(
            f"Expected class ids in [0, {classes}) of argument `train_label`, but got "
            f"{int(train_label.min())} to {int(train_label.max())}."
        )
    if k > count:
        logger.warning("kNN: k=%d is capped at the %d training samples", k, count)
        k = count
    if chunk is None:
        chunk = max(1, BLOCK_BYTES // (4 * count))
    label = train_label.cpu()
    result = torch.zeros(len(query), classes)
    for start in range(0, len(query), chunk):
        similarity, neighbour = _nearest(query[start : start + chunk], train_features, k)
        vote = F.softmax(similarity.cpu() / temperature, dim=1)
        result[start : start + chunk].scatter_add_(1, label[neighbour.cpu()], vote)
    return result


def _nearest(query: Tensor, reference: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """``(Q, k)`` similarities, falling, and indices of the nearest; of equals, the first."""
    similarity = query @ reference.T
    value, index = similarity.topk(min(k + 1, len(reference)), dim=1)
    if k < len(reference):
        tied = value[:, k - 1] == value[:, k]
        if bool(tied.any()):
            order = similarity[tied].argsort(dim=1, descending=True, stable=True)
            index[tied] = order[:, : k + 1]
    return value[:, :k], index[:, :k]
