"""Probabilities made as sure and as even as labels say that are seen through a matrix.

Letters: n samples, the first v of which decide, C classes, H heads calibrated side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from supcon_ext.minimise import minimise

FOUND = 20.0
"""As many images of each class are thought of before any is seen: so none is lost."""
FOUND_SHARE = 0.25
"""Of a class with few labels only this share of them."""
TOLERANCE = 1e-7
"""A search ends where a step gains less, in nats a label."""
STEPS = 500
"""At most so many: seven heads of ten classes side by side take some 110."""
HISTORY = 100
"""Steps remembered, fewer where matrices are large: with ten some 280 are taken."""
REMEMBERED = 2**26
"""At most so many numbers are, or those of ten steps."""
WIDTH = 10.0
"""Standard deviation, before any label is seen, of what else would be free to run off."""
SHARPEST = 5.0
"""Log of the inverse temperature, at most."""
TINY = 1e-12


def calibrated(
    scores: Tensor,
    label: Tensor,
    matrix: Callable[[], Tensor],
    free: Sequence[Tensor] = (),
    cost: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Make labels that were not learned likeliest, by a temperature, a bias and the matrix.

    Args:
        scores: ``(n, H, C)``.
        label: ``(v,)`` int64.
        matrix: Gives ``(H, C, C)``, how often each class is given each label.
        free: What may change in the matrix, each ``(H, ...)``.
        cost: ``(H,)`` of the matrix, in nats a label.

    Returns:
        ``(H,)`` objective, ``(H, C, C)`` matrix, ``(n, H, C)`` probabilities.
    """
    count, (_, heads, classes) = len(label), scores.shape
    scores = scores - scores[:count].mean(0)
    sharpness, bias = scores.new_zeros(heads), scores.new_zeros(heads, classes)
    every = [each.requires_grad_() for each in (sharpness, bias, *free)]
    given = torch.bincount(label, minlength=classes) / count
    expected = expected_images(given, scores.new_tensor(count))

    def softened(rows: Tensor) -> Tensor:
        return (sharpness.clamp(-SHARPEST, SHARPEST).exp()[:, None] * rows + bias).softmax(-1)

    def loss() -> Tensor:
        p, made = softened(scores[:count]), matrix()
        extra = 0.0 if cost is None else cost(made)
        least = lost(p.mean(0), expected) - seen_through(p, made, label).mean(0)
        return least + extra + far(every, count)

    of_a_step = 2 * sum(each.numel() for each in every)
    history = max(10, min(HISTORY, REMEMBERED // of_a_step))
    least = minimise(
        every, loss, steps=STEPS, gradient=TOLERANCE, change=TOLERANCE, history=history
    )
    with torch.no_grad():
        return least, matrix(), softened(scores)


def likeliest_through(
    scores: Tensor, matrix: Tensor, label: Tensor, voters: int | None = None
) -> Tensor:
    """``(N, C)`` float32 probabilities of a softmax of scores, made sure and even as labels say.

    The temperature and the bias are those under which the labels are likeliest through the matrix.

    Args:
        scores: ``(N, C)`` of whatever has not been told the label.
        matrix: ``(C, C)``.
        label: ``(N,)`` int64.
        voters: Those of the first V samples. None: of all.
    """
    return calibrated(scores.float()[:, None], label[:voters], lambda: matrix[None])[2][:, 0]


def seen_through(p: Tensor, matrix: Tensor, label: Tensor) -> Tensor:
    """``(n, H)`` log p(label), of ``(n, H, C)`` through ``(H or 1, C, C)``."""
    given = matrix.mT.index_select(1, label).transpose(0, 1)
    return (p * given).sum(2).clamp(min=TINY).log()


def expected_images(given: Tensor, count: Tensor) -> Tensor:
    """Share of the images that each class is thought to have, before any is seen.

    Args:
        given: ``(..., C)`` share of the labels.
        count: ``(...)`` of labels.
    """
    return torch.minimum(FOUND_SHARE * given, FOUND / count[..., None])


def lost(p: Tensor, expected: Tensor) -> Tensor:
    """``(H,)`` what it costs that classes are hardly there, of ``(H, C)`` their shares."""
    return -(expected * p.clamp(min=TINY).log()).sum(-1)


def far(free: Sequence[Tensor], count: Tensor | int) -> Tensor:
    """``(H,)`` what it costs to be far from 0: next to nothing, but where labels say nothing."""
    square = torch.stack([each.square().reshape(len(each), -1).sum(1) for each in free]).sum(0)
    return square / (2 * WIDTH**2 * count)
