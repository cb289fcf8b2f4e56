"""Flips: labels that one class's images carry wholesale, and which are another class's.

Letters: N samples, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHARE = 0.15
"""A share of a class's images that carry one other label above which these are no accidents."""
SURE = 1.645
"""Standard deviations: 95 %, one-sided."""


def flipped(
    label: Tensor, believed: Tensor, classes: int, voters: int | None = None
) -> tuple[Tensor, Tensor]:
    """The labels that are flips, and between which classes there are some.

    Of the images believed to be of a class, some carry another label. Errors that fall anywhere are
    a few of each class's; where one label is carried by more than :data:`SHARE` of a class, at the
    lower end of a 95 % interval (Wilson 1927, one-sided), that class's images are filed there as a
    rule. A rare class then holds more of another class's images than of its own, and whoever weighs
    votes by the size of classes believes them. The toolkit's own; the counts are those of a
    confident joint (Northcutt et al. 2021), by what is believed in place of thresholds.

    Classes that an encoder confuses look like flips where it confuses more than that share.

    Args:
        label: ``(N,)`` int64 given labels.
        believed: ``(N,)`` int64 likeliest classes, with rare ones as rare as they are.
        classes: C.
        voters: The first V samples are counted; the others are judged. None: all.

    Returns:
        ``(N,)`` bool; and ``(C, C)`` bool, believed class by given label.
    """
    cell = believed * classes + label
    count = torch.bincount(cell[:voters], minlength=classes**2).view(classes, classes).double()
    among = count.sum(1, keepdim=True).clamp(min=1)
    share, spread = count / among, SURE**2 / among
    middle = share + spread / 2
    lowest = (middle - (share * (1 - share) * spread + spread**2 / 4).sqrt()) / (1 + spread)
    own = count.diagonal()[:, None]
    flips = (lowest > SHARE) & (count < own)
    return flips[believed, label], flips
