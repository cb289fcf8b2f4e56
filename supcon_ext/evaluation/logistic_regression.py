"""Multinomial logistic regression by full-batch L-BFGS: no learning rate, one answer.

Shape letters: N samples, F features, C classes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

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

    def probabilities(self, features: Tensor) -> Tensor:
        """``(N, C)`` float32 class probabilities of ``(N, F)`` features."""
        logits = features.to(self.weight.dtype) @ self.weight.T + self.bias
        return F.softmax(logits, dim=1).float()


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

    scikit-learn's ``LogisticRegression(C=1 / (l2 * N))`` has the same minimum.

    Args:
        features: ``(N, F)``, used in float64.
        label: ``(N,)`` int64 in ``[0, classes)``.
        classes: Number of classes; one without a sample gets a probability near 0.
        l2: Strength of the penalty, above 0.
        start: Where to begin; at zero by default.
        max_iterations: At most so many steps; a fit that ends there is logged as not converged.
        tolerance: Greatest entry of the objective's gradient at which the fit has converged.

    Raises:
        ValueError: ``l2`` is not above 0.
    """
    if not l2 > 0:
        raise ValueError(f"Expected a value above 0 of argument `l2`, but got {l2}. Try: 0.001.")
    x = features.double()
    label = label.clone()  # autograd cannot keep labels that were made in inference mode
    if start is None:
        weight, bias = x.new_zeros(classes, x.shape[1]), x.new_zeros(classes)
    else:
        weight, bias = start.weight.clone(), start.bias.clone()
    weight.requires_grad_()
    bias.requires_grad_()
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=max_iterations,
        max_eval=2 * max_iterations,
        tolerance_grad=tolerance,
        tolerance_change=0.0,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(x @ weight.T + bias, label) + l2 / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    closure()
    slope = max(float(p.grad.abs().max()) for p in (weight, bias) if p.grad is not None)
    if not slope <= tolerance:
        logger.warning(
            "logistic regression (l2=%g) has not converged: gradient %.2g after at most %d steps",
            l2,
            slope,
            max_iterations,
        )
    return LinearModel(weight.detach(), bias.detach())
