"""Linear heads that learn labels through a matrix, fitted side by side.

Letters: N samples, F features, C classes, H heads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from supcon_ext.minimise import minimise
from supcon_ext.selectors.calibration import expected_images, far, lost, seen_through
from supcon_ext.selectors.linear_agreement import FOLDS

TOLERANCE = 1e-6
"""A search ends where a step gains less, in nats a label."""
STEPS = 100
AT_ONCE = 2**26
"""Heads are fitted side by side while samples, heads and classes together are no more than this."""


class Heads(NamedTuple):
    """Linear heads, of one penalty or another.

    Attributes:
        weight: ``(H, C, F)``, in coordinates in which the loss curves at most alike in all
            directions; the bound is Böhning's (1992), as for :func:`fit_logistic_regression`.
        bias: ``(H, C)``.
    """

    weight: Tensor
    bias: Tensor


class LinearHeads:
    """Labels of C classes that all have some, on features in the directions of their spread.

    Args:
        x: ``(N, F)`` float32, the first V centred.
        label: ``(V,)`` int64.
        fold: ``(V,)`` int64 in [0, FOLDS).
        fitted: Called with how often heads were fitted, each time that they were.
    """

    def __init__(
        self,
        x: Tensor,
        label: Tensor,
        fold: Tensor,
        fitted: Callable[[int], None] | None = None,
    ) -> None:
        self.fitted, self.fits = fitted, 0
        self.label, self.fold = label, fold.to(x.device)
        self.classes, count = int(label.max()) + 1, len(label)
        spread, directions = torch.linalg.eigh((x[:count].T @ x[:count] / count).double())
        self.spread, rows = spread.clamp(min=0).float(), x @ directions.float()
        self.x, self.others = rows[:count], rows[count:]

    def out_of_sample(
        self, l2: float, label: Tensor, matrix: Tensor | None, start: Heads | None
    ) -> tuple[Tensor, Heads]:
        """``(N, C)`` scores by the head that has not seen the sample, and the heads.

        Those without a say are seen by none, and have the mean.
        """
        penalties = self.x.new_full((FOLDS,), l2)
        folds = torch.arange(FOLDS, device=self.x.device)
        heads = self.fit(penalties, self.fold[:, None] != folds, label, matrix, start)
        self.count()
        weight = heads.weight * self.scale(penalties)
        every = scores_of(self.x, weight, heads.bias)
        own = every[torch.arange(len(every), device=every.device), self.fold]
        return torch.cat([own, scores_of(self.others, weight, heads.bias).mean(1)]), heads

    def count(self) -> None:
        """Heads were fitted once more."""
        self.fits += 1
        if self.fitted is not None:
            self.fitted(self.fits)

    def scale(self, l2: Tensor) -> Tensor:
        """``(H, 1, F)`` what the coordinates of each penalty are multiplied by."""
        return torch.rsqrt(self.spread / 2 + l2[:, None])[:, None]

    def fit(
        self,
        l2: Tensor,
        seen: Tensor,
        label: Tensor,
        matrix: Tensor | None,
        start: Heads | None,
    ) -> Heads:
        """The heads to which the labels that each sees are likeliest.

        Args:
            l2: ``(H,)`` their penalties.
            seen: ``(N, H)`` bool.
            label: ``(N,)`` int64 what they learn.
            matrix: Through which; None for none.
            start: Where to begin; at zero if None.
        """
        several = max(1, AT_ONCE // (len(label) * self.classes))
        if len(l2) > several:
            parts = [
                self.fit(
                    l2[at : at + several],
                    seen[:, at : at + several],
                    label,
                    matrix,
                    start and Heads(*(part[at : at + several] for part in start)),
                )
                for at in range(0, len(l2), several)
            ]
            return Heads(*map(torch.cat, zip(*parts, strict=True)))
        anyone = seen.any(1)
        x, label, seen = self.x[anyone], label[anyone], seen[anyone].float()
        count, scale = seen.sum(0), self.scale(l2)
        share = seen / count
        expected = expected_images(share.T @ functional.one_hot(label, self.classes).float(), count)
        if start is None:
            shape = len(l2), self.classes
            start = Heads(x.new_zeros(*shape, x.shape[1]), x.new_zeros(shape))
        weight, bias = (part.clone().requires_grad_() for part in start)
        place = label[:, None, None].expand(-1, len(l2), 1)

        def loss() -> Tensor:
            inside = weight * scale
            scores = scores_of(x, inside, bias)
            penalty = l2 / 2 * inside.square().sum((1, 2)) + far([bias], count)
            if matrix is None:
                own = scores.log_softmax(2).gather(2, place)[..., 0]
                return penalty - (share * own).sum(0)
            p = scores.softmax(2)
            own = seen_through(p, matrix[None], label)
            few = lost(torch.einsum("nh,nhc->hc", share, p), expected)
            return penalty - (share * own).sum(0) + few

        minimise([weight, bias], loss, steps=STEPS, gradient=TOLERANCE, change=TOLERANCE)
        return Heads(weight.detach(), bias.detach())


def scores_of(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``(n, H, C)`` of ``(n, F)`` features, by ``(H, C, F)`` weights."""
    return (x @ weight.flatten(0, 1).T).view(len(x), *weight.shape[:2]) + bias
