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


def fit_logistic_regression(
    features: Tensor,
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
        features: ``(N, F)``, used in float64.
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
    x = features.double()
    label = label.clone()  # autograd cannot keep labels that were made in inference mode
    mean = x.mean(0)
    root, inverse = _bound(x - mean, l2)
    rows = (x - mean) @ inverse.T
    if start is None:
        direction, bias = x.new_zeros(classes, x.shape[1]), x.new_zeros(classes)
    else:
        direction, bias = start.weight @ root, start.bias + start.weight @ mean
    direction.requires_grad_()
    bias.requires_grad_()

    def loss() -> Tensor:
        penalty = l2 / 2 * (direction @ inverse).square().sum()
        return F.cross_entropy(rows @ direction.T + bias, label) + penalty

    minimise([direction, bias], loss, steps=max_iterations, gradient=tolerance)
    slope = max(float(p.grad.abs().max()) for p in (direction, bias) if p.grad is not None)
    if not slope <= tolerance:
        logger.warning(
            "logistic regression (l2=%g) has not converged: gradient %.2g after at most %d steps",
            l2,
            slope,
            max_iterations,
        )
    weight = direction.detach() @ inverse
    return LinearModel(weight, bias.detach() - weight @ mean)


def _bound(centred: Tensor, l2: float) -> tuple[Tensor, Tensor]:
    """``(F, F)`` lower root of a bound on the curvature in a class's weights, and its inverse."""
    size = centred.shape[1]
    unit = torch.eye(size, dtype=centred.dtype, device=centred.device)
    root = torch.linalg.cholesky(centred.T @ centred / (2 * len(centred)) + l2 * unit)
    return root, torch.linalg.solve_triangular(root, unit, upper=False)
