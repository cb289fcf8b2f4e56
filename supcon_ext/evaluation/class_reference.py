"""How far samples lie from the training samples of a class.

Shape letters: N training samples, R of them that are kept, Q queries, F features, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from supcon_ext.evaluation.base import Embedded

NEIGHBOURS = 5
KEPT = 10_000
"""Training samples that are kept at most, evenly of each class."""


@dataclass(frozen=True, eq=False)
class ClassReference:
    """Training samples of each class, by their given labels.

    Attributes:
        vectors: ``(R, F)`` float32 features, unit norm.
        label: ``(R,)`` int64 in ``[0, C)``, rising.
    """

    vectors: Tensor
    label: Tensor

    @staticmethod
    def of(train: Embedded, classes: int, kept: int = KEPT) -> ClassReference:
        """The training samples, or of each class some, evenly spaced in the data set's order.

        Args:
            train: All of them.
            classes: C.
            kept: How many in all, at most; of a class never fewer than it takes to be near.
        """
        share = max(NEIGHBOURS + 1, kept // classes)
        chosen = [torch.arange(0)]
        for class_ in range(classes):
            places = torch.nonzero(train.label == class_).flatten()
            if len(places) > share:
                places = places[torch.linspace(0, len(places) - 1, share).long()]
            chosen.append(places)
        rows = torch.cat(chosen)
        return ClassReference(F.normalize(train.features[rows], dim=1), train.label[rows])

    def distance(self, features: Tensor, class_: Tensor) -> Tensor:
        """Mean cosine distance to the five nearest training samples of a class.

        Args:
            features: ``(Q, F)`` float32.
            class_: ``(Q,)`` int64, the class of each.

        Returns:
            ``(Q,)`` float32 in [0, 2]; NaN where the class has no training sample.
        """
        query, found = F.normalize(features, dim=1), features.new_full((len(features),), torch.nan)
        for each in torch.unique(class_).tolist():
            mine, rows = class_ == each, self.vectors[self.label == each]
            if len(rows):
                found[mine] = _nearest(query[mine], rows, 0)
        return found

    def own_distances(self, classes: int) -> dict[str, list[float | None]]:
        """What that distance is among each class's own training samples.

        Args:
            classes: C.

        Returns:
            Median and 95 % quantile of each class, a sample not being its own neighbour; None for
            a class of fewer than two.
        """
        found: dict[str, list[float | None]] = {"median": [], "quantile_95": []}
        for class_ in range(classes):
            rows = self.vectors[self.label == class_]
            if len(rows) < 2:
                found["median"].append(None)
                found["quantile_95"].append(None)
                continue
            own = _nearest(rows, rows, 1)
            found["median"].append(float(own.quantile(0.5)))
            found["quantile_95"].append(float(own.quantile(0.95)))
        return found


def _nearest(query: Tensor, rows: Tensor, without: int) -> Tensor:
    """``(Q,)`` mean distance to the nearest rows, the first so many of them left out."""
    made = []
    for part in torch.split(query, 1024):
        count = min(NEIGHBOURS + without, len(rows))
        similarity = (part @ rows.T).topk(count, dim=1).values[:, without:]
        made.append((1 - similarity).clamp(0, 2).mean(1))
    return torch.cat(made)
