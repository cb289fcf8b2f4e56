"""Mixup and CutMix: which inputs are mixed, how much, and the mixed inputs.

Shape letters: V views of all groups, one after the other; B rows of a view; R rows of all views.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Mix:
    """Who is mixed with whom.

    Attributes:
        partner: ``(R,)`` int64 row of each row's partner, a permutation within each view.
        share: ``(R,)`` share of the row itself, the same through a view, in [0.5, 1] for Mixup,
            [0, 1] for CutMix; the partner has the rest.
        box: ``(V, 4)`` top, bottom, left, right in pixels of the patch that CutMix takes from the
            partner, or None.
    """

    partner: Tensor
    share: Tensor
    box: Tensor | None


def draw_mix(
    views: Sequence[tuple[int, ...]], mixup: float, cutmix: float, generator: torch.Generator
) -> Mix:
    """Draw a mix of the rows of each view, which is the view's own.

    Args:
        views: Shape ``(B, ...)`` of each view's inputs; ``(B, channels, H, W)`` for CutMix.
        mixup: Alpha of the Beta distribution of Mixup's share (Zhang et al. 2018); 0 leaves it out.
        cutmix: Alpha of CutMix's share (Yun et al. 2019); 0 leaves it out. With both, one of the
            two is drawn.
        generator: On the CPU.

    Raises:
        ValueError: Both are 0, or one is negative; CutMix of what is no image.
    """
    if min(mixup, cutmix) < 0 or max(mixup, cutmix) == 0:
        raise ValueError(f"Expected `mixup` or `cutmix` above 0, but got {mixup} and {cutmix}")
    if cutmix and any(len(shape) != 4 for shape in views):
        raise ValueError("Expected images beside `cutmix`, but got vectors. Try: mixup")
    seed = int(torch.randint(2**62, (), generator=generator))
    rng = np.random.default_rng(seed)
    cut = cutmix > 0 and (mixup == 0 or rng.random() < 0.5)
    alpha = cutmix if cut else mixup
    share = rng.beta(alpha, alpha, size=len(views))
    sizes = torch.tensor([shape[0] for shape in views])
    starts = sizes.cumsum(0) - sizes
    order = [rng.permutation(int(size)) for size in sizes]
    partner = torch.cat([s + torch.from_numpy(o) for s, o in zip(starts, order, strict=True)])
    if not cut:
        own = torch.from_numpy(np.maximum(share, 1 - share)).float()
        return Mix(partner, own.repeat_interleave(sizes), None)
    boxes = []
    for view, shape in enumerate(views):
        height, width = shape[-2:]
        side = math.sqrt(1 - share[view])
        y, x = rng.integers(height), rng.integers(width)
        half_h, half_w = int(height * side) // 2, int(width * side) // 2
        boxes.append(
            [
                max(y - half_h, 0),
                min(y + half_h, height),
                max(x - half_w, 0),
                min(x + half_w, width),
            ]
        )
    box = torch.tensor(boxes)
    area = (box[:, 1] - box[:, 0]) * (box[:, 3] - box[:, 2])
    whole = torch.tensor([shape[-2] * shape[-1] for shape in views])
    return Mix(partner, (1 - area.float() / whole).repeat_interleave(sizes), box)


def mix_images(views: Sequence[Tensor], mix: Mix) -> list[Tensor]:
    """The mixed inputs of each view, ``(B, ...)``."""
    mixed, start = [], 0
    for number, x in enumerate(views):
        mine = slice(start, start + len(x))
        partners = x[(mix.partner[mine] - start).to(x.device)]
        if mix.box is None:
            share = mix.share[start].to(x)
            mixed.append(share * x + (1 - share) * partners)
        else:
            top, bottom, left, right = mix.box[number].tolist()
            whole = x.clone()
            whole[..., top:bottom, left:right] = partners[..., top:bottom, left:right]
            mixed.append(whole)
        start += len(x)
    return mixed
