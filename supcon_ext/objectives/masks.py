"""Which images of a batch are shown with holes, and which of their patches are hidden.

Letters: R images, n masked ones, T = H W patches.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

Shape = Literal["random", "block"]

LEAST_BLOCK = 4
ASPECT = 0.3
TRIES = 10
ROUNDING = 1e-6  # so that a whole product is not rounded down


def masked_images(count: int, share: float, first: bool, generator: torch.Generator) -> Tensor:
    """``(n,)`` int64 rising places of the images that are masked, at least one.

    Args:
        count: R.
        share: Of the images that are; what is over a whole number is left.
        first: Take the first ones in place of drawn ones.
        generator: Of the draw.
    """
    number = max(1, int(count * share + ROUNDING))
    if first:
        return torch.arange(number)
    return torch.randperm(count, generator=generator)[:number].sort().values


def patch_masks(
    count: int, grid: tuple[int, int], share: float, shape: Shape, generator: torch.Generator
) -> Tensor:
    """``(n, T)`` bool, the hidden patches of each image; each hides one at least.

    Args:
        count: n.
        grid: H and W.
        share: Of the patches that are hidden; blocks may hide fewer, where none more fits.
        shape: ``random`` patches, exactly so many; ``block``: rectangles of at least four patches
            and an aspect from 0.3 to 1 / 0.3, one over the other, until there are enough (Bao et
            al. 2022, BEiT, Algorithm 1).
        generator: Of the draws.
    """
    patches = grid[0] * grid[1]
    wanted = max(1, int(patches * share + ROUNDING))
    if shape == "random":
        order = torch.rand(count, patches, generator=generator).argsort(1)
        return torch.zeros(count, patches, dtype=torch.bool).scatter_(1, order[:, :wanted], True)
    return torch.stack([_blocks(grid, wanted, generator).flatten() for _ in range(count)])


def _blocks(grid: tuple[int, int], wanted: int, generator: torch.Generator) -> Tensor:
    mask = torch.zeros(grid, dtype=torch.bool)
    hidden = 0
    while hidden < wanted:
        added = _block(mask, wanted - hidden, generator)
        if not added:
            break
        hidden += added
    if not hidden:  # no rectangle is small enough: single patches
        order = torch.randperm(mask.numel(), generator=generator)[:wanted]
        mask.view(-1)[order] = True
    return mask


def _block(mask: Tensor, most: int, generator: torch.Generator) -> int:
    """Hide one more rectangle; how many patches it added, 0 where none fitted."""
    height, width = mask.shape

    def between(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    for _ in range(TRIES):
        area = between(min(LEAST_BLOCK, most), most)
        aspect = math.exp(between(math.log(ASPECT), -math.log(ASPECT)))
        high, wide = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if not (0 < high < height and 0 < wide < width):
            continue
        top = int(torch.randint(height - high + 1, (), generator=generator))
        left = int(torch.randint(width - wide + 1, (), generator=generator))
        part = mask[top : top + high, left : left + wide]
        added = high * wide - int(part.sum())
        if 0 < added <= most:
            part.fill_(True)
            return added
    return 0
