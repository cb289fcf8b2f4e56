"""Mixup and CutMix: which images are mixed, how much, and the mixed images."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Mix:
    """Who is mixed with whom.

    Attributes:
        partner: ``(V, B)`` int64 position in the batch of each image's partner, a permutation in
            each view.
        share: ``(V,)`` share of the image itself, in [0.5, 1] for Mixup, [0, 1] for CutMix; the
            partner has the rest.
        box: ``(V, 4)`` top, bottom, left, right in pixels of the patch that CutMix takes from the
            partner, or None.
    """

    partner: Tensor
    share: Tensor
    box: Tensor | None


def draw_mix(
    shape: tuple[int, ...], mixup: float, cutmix: float, generator: torch.Generator
) -> Mix:
    """Draw a mix for images ``(V, B, channels, H, W)``; each view has its own.

    Args:
        shape: Of the images.
        mixup: Alpha of the Beta distribution of Mixup's share (Zhang et al. 2018); 0 leaves it out.
        cutmix: Alpha of CutMix's share (Yun et al. 2019); 0 leaves it out. With both, one of the
            two is drawn.
        generator: On the CPU.

    Raises:
        ValueError: Both are 0, or one is negative.
    """
    if min(mixup, cutmix) < 0 or max(mixup, cutmix) == 0:
        raise ValueError(f"Expected `mixup` or `cutmix` above 0, but got {mixup} and {cutmix}")
    views, batch, height, width = shape[0], shape[1], shape[-2], shape[-1]
    seed = int(torch.randint(2**62, (), generator=generator))
    rng = np.random.default_rng(seed)
    cut = cutmix > 0 and (mixup == 0 or rng.random() < 0.5)
    alpha = cutmix if cut else mixup
    share = rng.beta(alpha, alpha, size=views)
    partner = torch.from_numpy(np.stack([rng.permutation(batch) for _ in range(views)]))
    if not cut:
        return Mix(partner, torch.from_numpy(np.maximum(share, 1 - share)).float(), None)
    boxes = []
    for view in range(views):
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
    return Mix(partner, 1 - area.float() / (height * width), box)


def mix_images(images: Tensor, mix: Mix) -> Tensor:
    """The mixed images, ``(V, B, channels, H, W)``."""
    views = torch.arange(len(images), device=images.device)[:, None]
    partners = images[views, mix.partner.to(images.device)]
    if mix.box is None:
        share = mix.share.to(images)[:, None, None, None, None]
        return share * images + (1 - share) * partners
    mixed = images.clone()
    for view, (top, bottom, left, right) in enumerate(mix.box.tolist()):
        mixed[view, ..., top:bottom, left:right] = partners[view, ..., top:bottom, left:right]
    return mixed
