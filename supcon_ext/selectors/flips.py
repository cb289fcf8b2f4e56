"""Flips: labels that one class's images carry wholesale, and which are another class's.

Letters: N samples, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

SHARE = 0.15
"""A share of a class's images that carry one other label above which these are no accidents."""
ANYWHERE = 0.5
"""As many labels may be wrong, drawn from all other classes alike, and none of them is a flip."""
SURE = 1.645
"""Standard deviations: 95 %, one-sided."""


def flipped(label: Tensor, believed: Tensor, classes: int, voters: int | None = None) -> Tensor:
    """``(N,)`` bool, the labels that are flips.

    Of the images believed to be of a class some carry another label. Errors that fall anywhere are
    a few of each class's. Where one other label is carried by more than :data:`SHARE` of a class's
    images, or with few classes by more than each would be were half of the labels drawn anywhere,
    that class's images are filed there as a rule. (Of two classes none can be told.) A rare class
    then holds more of another class's images than of its own, and whoever weighs votes by the size
    of classes believes them. The share counts at the lower end of a 95 % interval (Wilson 1927,
    one-sided). The toolkit's own; the counts are those of a confident joint (Northcutt et al.
    2021), by what is believed in place of thresholds.

    Classes that an encoder confuses look like flips where it confuses more than that share.

    Args:
        label: ``(N,)`` int64 given labels.
        believed: ``(N,)`` int64 likeliest classes, with rare ones as rare as they are.
        classes: C.
        voters: The first V samples are counted; the others are judged. None: all.
    """
    cell, of = torch.unique(believed * classes + label, return_inverse=True)
    first, other = cell // classes, cell % classes
    count = torch.bincount(of[:voters], minlength=len(cell)).double()
    among = torch.zeros(classes, dtype=count.dtype, device=count.device).index_add(0, first, count)
    own = torch.zeros_like(among).index_add(0, first, count * (first == other))
    least = max(SHARE, ANYWHERE / max(1, classes - 1))
    flip = (surely_at_least(count, among[first]) > least) & (count < own[first])
    return flip[of]


def surely_at_least(count: Tensor, among: Tensor) -> Tensor:
    """Lower end of the one-sided 95 % interval of a share (Wilson 1927); of none, 0.

    Args:
        count: Float, 0 or more.
        among: Float, as large or larger; broadcasts. 0 is taken as 1.
    """
    share, spread = count / among.clamp(min=1), SURE**2 / among.clamp(min=1)
    middle = share + spread / 2
    return (middle - (share * (1 - share) * spread + spread**2 / 4).sqrt()) / (1 + spread)
