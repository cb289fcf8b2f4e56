"""Multinomial logistic regression by full-batch L-BFGS: no learning rate, one answer.

Shape letters: N samples, F features, C classes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from supcon_ext.minimise import minimise

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LinearModel:
    """``logits = x @ weight.T + bias``.

    Attributes:
        weight: ``(C, F)``.
        bias: ``(C,)``.
    """

    weight: Tensor
    bias: Tensor

    def logits(self, features: Tensor) -> Tensor:
        """``(N, C)`` float64 of ``(N, F)`` features."""
        return features.to(self.weight.dtype) @ self.weight.T + self.bias

    def probabilities(self, features: Tensor) -> Tensor:
        """``(N, C)`` float32 class probabilities of ``(N, F)`` features."""
        return F.softmax(self.logits(features), dim=1).float()

    def less(self, adjustment: Tensor) -> LinearModel:
        """The model whose logits are lower by a number for each class, ``(C,)``."""
        return LinearModel(self.weight, self.bias - adjustment.to(self.bias))


@dataclass(frozen=True, eq=False)
class Rotated:
    """Features in the directions of their covariance, made once for fits under several penalties.

    Attributes:
        rows: ``(N, F)`` float64, of mean 0.
        mean: ``(F,)`` what was taken from the features.
        directions: ``(F, F)`` orthogonal, a direction a column.
        spread: ``(F,)`` variance of each column of ``rows``.
    """

    rows: Tensor
    mean: Tensor
    directions: Tensor
    spread: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Rotated:
        """Of ``(N, F)`` features."""
        x = features.double()
        mean = x.mean(0)
        centred = x - mean
        spread, directions = torch.linalg.eigh(centred.T @ centred / len(centred))
        return cls(centred @ directions, mean, directions, spread.clamp(min=0))


def fit_logistic_regression(
    features: Tensor | Rotated,
    label: Tensor,
    classes: int,
    l2: float,
    start: LinearModel | None = None,
    max_iterations: int = 1000,
    tolerance: float = 1e-6,
) -> LinearModel:
    """Minimise ``mean cross-entropy + l2 / 2 * ||weight||^2``; the bias is free.

    scikit-learn's ``LogisticRegression(C=1 / (l2 * N))`` has the same minimum. It is searched in
    coordinates in which the objective curves at most alike in all directions, by the bound of
    Böhning 1992, "Multinomial logistic regression algorithm", section 3: half the features'
    covariance, and l2. Features of an encoder are so unlike in their directions that the search
    takes many times as many steps without.

    Args:
        features: ``(N, F)``, used in float64; :class:`Rotated` where several models are fitted.
        label: ``(N,)`` int64 in ``[0, classes)``.
        classes: Number of classes; one without a sample gets a probability near 0.
        l2: Strength of the penalty, above 0.
        start: Where to begin; at zero by default.
        max_iterations: At most so many steps; a fit that ends there is logged as not converged.
        tolerance: Greatest entry of the gradient, in those coordinates, at which the fit has
            converged.

    Raises:
        ValueError: ``l2`` is not above 0.
    """
    if not l2 > 0:
        raise ValueError(f"Expected a value above 0 of argument `l2`, but got {l2}. Try: 0.001.")
    x = features if isinstance(features, Rotated) else Rotated.of(features)
    label = label.clone()  # autograd cannot keep labels that were made in inference mode
    scale = torch.rsqrt(x.spread / 2 + l2)
    if start is None:
        direction, bias = x.rows.new_zeros(classes, len(scale)), x.rows.new_zeros(classes)
    else:
        direction = start.weight @ x.directions / scale
        bias = start.bias + start.weight @ x.mean
    direction.requires_grad_()
    bias.requires_grad_()

    def loss() -> Tensor:
        weight = direction * scale
        return F.cross_entropy(x.rows @ weight.T + bias, label) + l2 / 2 * weight.square().sum()

    minimise([direction, bias], loss, steps=max_iterations, gradient=tolerance)
    slope = max(float(p.grad.abs().max()) for p in (direction, bias) if p.grad is not None)
    if not slope <= tolerance:
        logger.warning(
            "logistic regression (l2=%g) has not converged: gradient %.2g after at most %d steps",
            l2,
            slope,
            max_iterations,
        )
    weight = (direction.detach() * scale) @ x.directions.T
    return LinearModel(weight, bias.detach() - weight @ x.mean)
