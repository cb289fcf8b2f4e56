"""Wrong labels that have a rule: one class's images filed under another, and what that says.

Letters: N samples, C classes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from supcon_ext.selectors.calibration import TINY, calibrated, likeliest_through
from supcon_ext.selectors.transition import Transition, told

LEAST = 0.1
"""Share of a class below which another label of it is no rule."""


def rule_in(
    made: Transition, label: Tensor, voters: int | None = None
) -> tuple[Tensor | None, float]:
    """The rule in an estimated matrix, and what it is worth.

    A rule has other labels that a tenth of a class or more is given; all other wrong labels are of
    all classes alike. Each such cell costs the log of how many cells there are to choose from, and
    that of the number of labels: the extended criterion of Chen and Chen 2008, with their gamma at
    1 and its second part doubled, for the cells were found by the same labels.

    Args:
        made: The estimate.
        label: ``(N,)`` int64 given labels.
        voters: The first V samples had a say. None: all had.

    Returns:
        ``(C, C)`` float32 matrix with nothing but a rule, None where it is not worth its cells; by
        how many nats all labels are likelier through it than if wrong ones were of all classes
        alike.
    """
    present, given = torch.unique(label[:voters], return_inverse=True)
    of = present[:, None], present
    found, classes = made.matrix[of], len(present)
    eye = torch.eye(classes, device=label.device)
    cells = torch.where((found >= LEAST) & (eye == 0), found, 0.0)
    count = int((cells > 0).sum())
    if not count:
        return None, 0.0
    scores = made.p[: len(given), present].clamp(min=TINY).log()[:, None]

    def beside(kept: Tensor) -> tuple[float, Tensor]:
        wrong, rest = scores.new_zeros(1), 1 - kept.sum(1, keepdim=True)

        def matrix() -> Tensor:
            rate = wrong.sigmoid()[:, None, None]
            return kept + rest * ((1 - rate) * eye + rate / classes)

        least, through, _ = calibrated(scores, given, matrix, [wrong])
        return float(least), through[0]

    (alike, _), (least, through) = beside(torch.zeros_like(cells)), beside(cells)
    gain = len(given) * (alike - least)
    if gain <= count * (math.log(classes * (classes - 1)) + math.log(len(given))):
        return None, gain
    rule = torch.eye(len(made.matrix), device=label.device)
    rule[of] = through
    return rule, gain


def told_by_rule(
    witnesses: tuple[Tensor, ...], rule: Tensor, label: Tensor, voters: int | None = None
) -> Tensor:
    """``(N, C)`` float64 probability of each class: the mean of what witnesses say by a rule.

    Each is made as sure and as even as the labels say through the rule, and told the label.

    Args:
        witnesses: Each ``(N, C)`` log of what it says of a sample without its label.
        rule: ``(C, C)`` of :func:`rule_in`.
        label: ``(N,)`` int64 given labels.
        voters: The first V samples have a say. None: all have.
    """
    by_each = [
        told(likeliest_through(each, rule, label, voters), rule, label) for each in witnesses
    ]
    return torch.stack(by_each).double().mean(0)
