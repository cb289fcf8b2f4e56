"""One vector for each class among the contrasts, made from the classifier's weights.

Letters: C classes, F features, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from supcon_ext.losses.rows import Rows, Source, WeightingStep
from supcon_ext.models.unit_rows import unit_rows


class ClassPrototypes(nn.Module):
    """``c_j = L2norm(MLP(w_j))`` of the classifier's class vectors w_j (Zhu et al. 2022, BCL).

    The MLP is Linear, BatchNorm over the C class rows, ReLU, Linear; in evaluation mode the
    BatchNorm uses its running statistics. The gradient goes through to the classifier.

    Args:
        features: Length F of a class vector.
        hidden: Width of the hidden layer.
        dim: Length D of a prototype.
        classes: Number C of class vectors; None takes any.
    """

    def __init__(self, features: int, hidden: int, dim: int, classes: int | None = None) -> None:
        super().__init__()
        self.features = features
        self.classes = classes
        self.layers = nn.Sequential(
            nn.Linear(features, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, dim),
        )

    def forward(self, class_vectors: Tensor) -> Tensor:
        """``(C, F)`` to ``(C, D)`` of unit norm, float32 even under autocast.

        Raises:
            ValueError: There are other class vectors, or longer or shorter ones, as in a transposed
                matrix.
        """
        shape = (self.classes or len(class_vectors), self.features)
        if class_vectors.shape != shape:
            count = "C" if self.classes is None else self.classes
            raise ValueError(
                f"Expected class vectors of shape ({count}, {self.features}), "
                f"but got {tuple(class_vectors.shape)}. Try: the weight matrix transposed"
            )
        return unit_rows(self.layers(class_vectors))


def class_prototypes(made: ClassPrototypes | None, step: WeightingStep, instead: str) -> Rows:
    """One prototype a class, with gradient to the classifier.

    Args:
        made: Makes them; None before a weighting's ``setup``.
        step: Knows the classifier's class vectors.
        instead: What to try where there is no classifier.

    Raises:
        ValueError: There is none to make prototypes of.
    """
    if made is None or step.class_vectors is None:
        raise ValueError(
            f"Expected a classifier to make prototypes of, but got none. Try: {instead}"
        )
    return prototype_rows(made(step.class_vectors).to(step.rows.z.dtype), step.rows)


def prototype_rows(z: Tensor, like: Rows) -> Rows:
    """Prototypes as contrasts: row j stands for class j, is trusted, and is no sample.

    Args:
        z: ``(C, D)`` of unit norm.
        like: The batch; its further columns are filled with nothing (a posterior with certainty),
            since contrasts only keep columns that all of them have.
    """
    classes = torch.arange(len(z), device=z.device)
    extra = {}
    for name, column in like.columns.items():
        if name == "posterior":
            extra[name] = torch.eye(len(z), column.shape[1], device=z.device, dtype=column.dtype)
        else:
            empty = 0.0 if column.dtype.is_floating_point else -1
            shape = (len(z), *column.shape[1:])
            extra[name] = torch.full(shape, empty, device=z.device).to(column.dtype)
    return Rows.of(
        z,
        classes,
        index=torch.full_like(classes, -1),
        uid=-1 - classes,
        source=Source.PROTOTYPE,
        columns=extra,
    )
