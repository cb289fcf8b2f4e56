"""Encoder and predictor as one module, which takes numbers as they are, for other programs.

Letters: B samples, C channels or coordinates, F features, K classes, N training samples.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from supcon_ext.evaluation.fitted import Fitted
from supcon_ext.evaluation.knn import FittedKNN
from supcon_ext.evaluation.linear_probe import FittedProbe
from supcon_ext.experiment.model_files import SavedModel
from supcon_ext.experiment.preprocessing import Preprocessing
from supcon_ext.models.lora import merged
from supcon_ext.models.unit_rows import unit_rows
from supcon_ext.policies.none import none
from supcon_ext.policies.pipeline import Pipeline


class ReadyModule(nn.Module):
    """Resized pictures, or vectors, to features and class probabilities.

    It standardises them itself. Pictures are floats ``(B, C, size, size)``: 0 to 255 of 8-bit ones,
    of others the stored number divided by the scale. Vectors are floats ``(B, C)`` as they are.

    Args:
        model: What it is made of; left as it is.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, model: SavedModel) -> None:
        super().__init__()
        self.encoder = merged(model.network.backbone)
        scale, shift = standardising(model.preprocessing)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)
        self.predictor = predicting(model.parts.predictor, model)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``(B, F)`` and probabilities ``(B, K)``, float32."""
        features = cast(Tensor, self.encoder(samples * self.scale + self.shift))
        return features, self.predictor(features)


def standardising(preprocessing: Preprocessing) -> tuple[Tensor, Tensor]:
    """What samples are multiplied by, and what is added then: ``(C, 1, 1)``, or ``(C,)``."""
    unit = preprocessing.scale if preprocessing.spec.is_eight_bits else 1.0
    shape = (-1,) if preprocessing.size is None else (-1, 1, 1)
    mean, std = (
        torch.tensor(part, dtype=torch.float64).reshape(shape)
        for part in (preprocessing.mean, preprocessing.std)
    )
    return (1 / (unit * std)).float(), (-mean / std).float()


def predicting(fitted: Fitted, model: SavedModel) -> nn.Module:
    """The module that gives what a fitted predictor gives, of features ``(B, F)``."""
    if isinstance(fitted, FittedProbe):
        return Probe(fitted)
    if isinstance(fitted, FittedKNN):
        return Votes(fitted, model.network.projector if fitted.space == "projection" else None)
    return nn.Sequential(model.network.classifier, nn.Softmax(dim=1))


class Probe(nn.Module):
    """A linear probe, in the precision that it was fitted in.

    Args:
        fitted: It.
    """

    def __init__(self, fitted: FittedProbe) -> None:
        super().__init__()
        self.weight = nn.Parameter(fitted.weight, requires_grad=False)
        self.bias = nn.Parameter(fitted.bias, requires_grad=False)
        mean = torch.zeros(()) if fitted.mean is None else fitted.mean
        std = torch.ones(()) if fitted.std is None else fitted.std
        self.mean = nn.Parameter(mean.to(fitted.weight.dtype), requires_grad=False)
        self.std = nn.Parameter(std.to(fitted.weight.dtype), requires_grad=False)

    def forward(self, features: Tensor) -> Tensor:
        """Probabilities."""
        x = (features.to(self.weight.dtype) - self.mean) / self.std
        return functional.softmax(x @ self.weight.T + self.bias, dim=1).float()


class Votes(nn.Module):
    """Weighted nearest neighbours.

    Args:
        fitted: The training samples that vote.
        projector: Where they vote by what it makes of features; None for features.
    """

    def __init__(self, fitted: FittedKNN, projector: nn.Module | None) -> None:
        super().__init__()
        self.projector = projector
        self.vectors = nn.Parameter(fitted.vectors, requires_grad=False)
        votes = functional.one_hot(fitted.label, fitted.classes).float()
        self.votes = nn.Parameter(votes, requires_grad=False)
        self.k = min(fitted.k, len(fitted.vectors))
        self.temperature = fitted.temperature

    def forward(self, features: Tensor) -> Tensor:
        """Probabilities."""
        query = features if self.projector is None else unit_rows(self.projector(features))
        similarity = functional.normalize(query, dim=1) @ self.vectors.T
        value, index = similarity.topk(self.k, dim=1)
        share = functional.softmax(value / self.temperature, dim=1)
        return (share[:, :, None] * self.votes[index]).sum(dim=1)


def ready_samples(samples: Any, preprocessing: Preprocessing) -> Tensor:
    """What :class:`ReadyModule` takes, of some samples of the encoder's kind.

    Args:
        samples: Arrays by index: pictures, or vectors.
        preprocessing: The encoder's.
    """
    view = none(preprocessing.context)
    rows: list[npt.NDArray[Any]] = [samples[place] for place in range(len(samples))]
    if isinstance(view, Pipeline):
        rows = [view.pixels(row, ()).transpose(2, 0, 1) for row in rows]
    else:
        rows = [row.reshape(-1, preprocessing.channels)[0] for row in rows]
    return torch.from_numpy(np.stack(rows).astype(np.float32))
