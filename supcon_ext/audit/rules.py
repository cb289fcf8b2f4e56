"""Which classes' images carry which other label as a rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from data_tools.printable import printable
from supcon_ext.selectors.calibration import TINY, calibrated
from supcon_ext.selectors.transition import Transition

LEAST = 0.1
"""Share of a class below which another label of it is no rule."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Images of a class, many of which carry another label.

    Attributes:
        name: The class.
        label: The label.
        share: About which share of the class's images carry it.
    """

    name: str
    label: str
    share: float


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


def rules_of(transition: Tensor | None, classes: Sequence[str]) -> list[Rule]:
    """The other labels that classes carry as a rule, the largest shares first.

    Args:
        transition: ``(C, C)`` how often each class is given each label, with nothing but a rule;
            None where wrong labels have none.
        classes: Names of C classes.
    """
    if transition is None:
        return []
    found = [
        Rule(classes[of], classes[label], share)
        for of, row in enumerate(transition.tolist())
        for label, share in enumerate(row)
        if of != label and share >= LEAST
    ]
    return sorted(found, key=lambda each: -each.share)


def told_rules(rules: Sequence[Rule], shown: int = 10) -> str:
    """A line on them.

    Args:
        rules: One at least.
        shown: How many are told.
    """
    told = [
        f"about {each.share:.0%} of {printable(each.name)} carry {printable(each.label)}"
        for each in rules[:shown]
    ]
    more = f" and {len(rules) - shown:,} more" if len(rules) > shown else ""
    return f"Wrong labels have a rule: {', '.join(told)}{more}"
